"""Small potentials in the formats of others, made here with a fixed seed or from published parameters."""

from __future__ import annotations

import numpy as np


def nep(elements: list[str], *, version: int = 4, zbl: str = "", l_max: str = "4 2 1", seed: int = 1) -> str:
    """A `nep.txt` with random numbers."""
    rng = np.random.default_rng(seed)
    n, k, neurons, c = (4, 3), (6, 5), 7, len(elements)
    ranks = [int(w) for w in l_max.split()]
    angular = ranks[0] + sum(1 for w in ranks[1:] if w)
    dim = n[0] + 1 + (n[1] + 1) * angular
    networks = c if version == 4 else 1
    descriptor = c * c * ((n[0] + 1) * (k[0] + 1) + (n[1] + 1) * (k[1] + 1))
    values = np.concatenate(
        [
            rng.normal(size=networks * (dim + 2) * neurons + 1) * 0.3,
            rng.normal(size=descriptor) * 0.5,
            rng.uniform(0.05, 0.4, size=dim),
        ]
    )
    head = [
        f"nep{version}{'_zbl' if zbl else ''} {c} {' '.join(elements)}",
        *([f"zbl {zbl}"] if zbl else []),
        "cutoff 6 4.5 100 60",
        f"n_max {n[0]} {n[1]}",
        f"basis_size {k[0]} {k[1]}",
        f"l_max {l_max}",
        f"ANN {neurons} 0",
    ]
    return "\n".join(head + [f"{v:.10e}" for v in values]) + "\n"


SW_SILICON = """# Stillinger and Weber, Phys. Rev. B 31, 5262 (1985)
# elements, epsilon, sigma, a, lambda, gamma, costheta0, A, B, p, q, tol
Si Si Si 2.1683 2.0951 1.80 21.0 1.20 -0.333333333333
         7.049556277 0.6022245584 4.0 0.0 0.0
"""

# Tersoff, Phys. Rev. B 39, 5566 (1989): silicon and carbon with their mixing rules and chi = 0.9776.
_SI = {
    "A": 1830.8,
    "B": 471.18,
    "l": 2.4799,
    "m": 1.7322,
    "b": 1.1e-6,
    "n": 0.78734,
    "c": 1.0039e5,
    "d": 16.217,
    "h": -0.59825,
    "R": 2.7,
    "S": 3.0,
}
_C = {
    "A": 1393.6,
    "B": 346.74,
    "l": 3.4879,
    "m": 2.2119,
    "b": 1.5724e-7,
    "n": 0.72751,
    "c": 3.8049e4,
    "d": 4.3484,
    "h": -0.57058,
    "R": 1.8,
    "S": 2.1,
}


def tersoff(lambda3: float = 0.0, m: int = 3, names: tuple[str, str] = ("Si", "C")) -> str:
    """The `tersoff` file of silicon and carbon (by other names for a test); lambda3 is zero in the paper."""
    of, out = dict(zip(names, (_SI, _C), strict=True)), ["# comment"]
    for i in of:
        for j in of:
            for k in of:
                a, b, far = of[i], of[j], of[k]
                inner, outer = np.sqrt(a["R"] * far["R"]), np.sqrt(a["S"] * far["S"])
                chi = 1.0 if i == j else 0.9776
                values = [
                    m,
                    1.0,
                    lambda3,
                    a["c"],
                    a["d"],
                    a["h"],
                    a["n"],
                    a["b"],
                    0.5 * (a["m"] + b["m"]),
                    chi * np.sqrt(a["B"] * b["B"]),
                    0.5 * (inner + outer),
                    0.5 * (outer - inner),
                    0.5 * (a["l"] + b["l"]),
                    np.sqrt(a["A"] * b["A"]),
                ]
                out.append(f"{i} {j} {k} " + " ".join(f"{v:.12g}" for v in values))
    return "\n".join(out) + "\n"


def setfl(elements: list[str], *, finnis_sinclair: bool = False, points: int = 2000) -> str:
    """An `eam/alloy` or `eam/fs` file of smooth functions, in five columns as others write it."""
    cutoff, n_rho, d_rho = 5.5, points, 20.0 / points
    d_r = cutoff / (points - 1)
    r, rho = np.arange(points) * d_r, np.arange(n_rho) * d_rho
    fade = np.clip(1.0 - (r / cutoff) ** 2, 0.0, None) ** 3

    def block(values: np.ndarray) -> list[str]:
        return [" ".join(f"{v:.14e}" for v in values[k : k + 5]) for k in range(0, len(values), 5)]

    out = ["made for a test", "", "of smooth functions", f"{len(elements)} {' '.join(elements)}"]
    out.append(f"{n_rho} {d_rho:.16e} {points} {d_r:.16e} {cutoff}")
    for k in range(len(elements)):
        out += [f"{13 + k} {27.0 + k} 4.05 fcc", *block(-(1.0 + 0.2 * k) * np.sqrt(rho + 0.01) + 0.01 * rho)]
        for other in range(len(elements) if finnis_sinclair else 1):
            out += block((1.0 + 0.3 * k + 0.17 * other) * np.exp(-0.9 * (r - 2.5)) * fade)
    for i in range(len(elements)):
        for j in range(i + 1):
            out += block(r * (0.3 + 0.05 * (i + j)) * np.exp(-1.7 * (r - 2.6)) * fade)
    return "\n".join(out) + "\n"


def moment_tensor(species: int, *, name: str = "l2k2", deep: bool = False, seed: int = 2) -> str:
    """A trained moment tensor file of MLIP-2 with random numbers; deep: with a product of two products of products."""
    from sus2.potential.moments.graph import graph

    g = graph(name)
    rng = np.random.default_rng(seed)
    funcs, size = g.radial_funcs_count, 8
    times, mapping, count = g.times.tolist(), g.mapping.tolist(), g.moments_count
    if deep:
        times.append([times[-1][3], times[-2][3], 2, count])
        mapping.append(count)
        count += 1

    def row(values: np.ndarray) -> str:
        return "{" + ", ".join(f"{v:.15e}" for v in values) + "}"

    def table(rows: list[list[int]]) -> str:
        return "{" + ", ".join("{" + ", ".join(map(str, r)) + "}" for r in rows) + "}"

    out = [
        "MTP",
        "version = 1.1.0",
        "potential_name = MTP1m",
        "scaling = 1.3e-02",
        f"species_count = {species}",
        "potential_tag = ",
        "radial_basis_type = RBChebyshev",
        "\tmin_dist = 1.9",
        "\tmax_dist = 5.0",
        f"\tradial_basis_size = {size}",
        f"\tradial_funcs_count = {funcs}",
        "\tradial_coeffs",
    ]
    for i in range(species):
        for j in range(species):
            out.append(f"\t\t{i}-{j}")
            out += ["\t\t\t" + row(rng.normal(size=size)) for _ in range(funcs)]
    out += [
        f"alpha_moments_count = {count}",
        f"alpha_index_basic_count = {len(g.basic)}",
        f"alpha_index_basic = {table(g.basic.tolist())}",
        f"alpha_index_times_count = {len(times)}",
        f"alpha_index_times = {table(times)}",
        f"alpha_scalar_moments = {len(mapping)}",
        "alpha_moment_mapping = {" + ", ".join(map(str, mapping)) + "}",
        f"species_coeffs = {row(rng.normal(size=species) - 3.0)}",
        f"moment_coeffs = {row(rng.normal(size=len(mapping)) * 0.1)}",
    ]
    return "\n".join(out) + "\n"
