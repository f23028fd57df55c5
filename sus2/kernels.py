"""The fused CPU kernels: built once with the machine's C++ compiler, called through ctypes.

Where there is no compiler, `available()` is False and callers use model.py instead: slower, same numbers.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sus2.errors import Sus2Error
from sus2.mtp import ModelSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SOURCES: Final = tuple(Path(__file__).with_name(n) for n in ("kernels.cpp", "second_order.cpp"))
_HEADER: Final = Path(__file__).with_name("kernels.h")
_FLAGS: Final = ("-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-shared", "-fPIC", "-pthread")


def cache_folder() -> Path:
    """Where built and downloaded things are kept: SUS2_CACHE, else ~/.cache/sus2."""
    return Path(os.environ.get("SUS2_CACHE") or Path.home() / ".cache" / "sus2")


class _Model(ctypes.Structure):
    _fields_ = [
        *((n, ctypes.c_int64) for n in (
            "species", "chebyshev", "radial", "kappas", "basics", "products", "moments", "scalars", "angulars")),
        ("scaling", ctypes.c_double),
        ("cutoff", ctypes.c_double),
        *((n, ctypes.c_void_p) for n in (
            "kappa", "basic_mu", "basic_ang", "ang_parent", "ang_axis", "ang_lower", "ang_factor", "times", "mapping",
            "alpha", "r0", "weights", "pair_factor", "species_coeffs", "theta")),
    ]  # fmt: skip


class _Edges(ctypes.Structure):
    _fields_ = [
        ("atoms", ctypes.c_int64),
        *((n, ctypes.c_void_p) for n in ("first", "vectors", "j", "types")),
    ]


@functools.cache
def _library(*flags: str) -> ctypes.CDLL | None:
    """The compiled kernels, or None where they cannot be built or loaded."""
    if os.environ.get("SUS2_KERNELS", "").lower() in ("0", "off", "torch"):
        return None
    try:
        path = _build(*flags)
        try:
            library = ctypes.CDLL(str(path))
        except OSError:  # a damaged file in the cache
            path.unlink(missing_ok=True)
            library = ctypes.CDLL(str(_build(*flags)))
    except (OSError, subprocess.SubprocessError):
        return None
    for function in (
        library.sus2_evaluate, library.sus2_differentiate, library.sus2_second_order, library.sus2_response
    ):  # fmt: skip
        function.restype = None
    return library


def _build(*flags: str) -> Path:
    """Compile into the cache, named by the content and the processor; raises OSError without a compiler."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        raise OSError("no C++ compiler")
    source = b"".join(path.read_bytes() for path in (_HEADER, *_SOURCES))
    key = hashlib.sha256(source + " ".join((compiler, *_FLAGS, *flags, _processor())).encode()).hexdigest()[:20]
    target = cache_folder() / "kernels" / f"{key}.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            built = Path(scratch) / "kernels.so"
            command = [compiler, *_FLAGS, *flags, "-o", str(built), *map(str, _SOURCES)]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
            built.replace(target)  # atomic: two processes may build at once
    return target


def _processor() -> str:
    """What -march=native depends on, so that a shared home folder never mixes machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        flags = platform.processor()
    return platform.machine() + flags


def available() -> bool:
    """True where the kernels can be used on this machine."""
    return _library() is not None


def default_threads() -> int:
    """Threads for one call: OMP_NUM_THREADS where set, else the processors this process may use."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(text)) if text.isdigit() else len(os.sched_getaffinity(0))


def monomial_table(max_rank: int) -> dict[tuple[int, int, int], int]:
    """Row of each monomial x^a y^b z^c up to the rank, parents first."""
    powers = [
        (a, b, n - a - b) for n in range(max_rank + 1) for a in range(n, -1, -1) for b in range(n - a, -1, -1)
    ]
    return {p: k for k, p in enumerate(powers)}


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of many atoms sorted by central atom, in the arrays that the kernels read.

    first (N + 1,) first edge of each atom; vectors (E, 3) A; j (E,) neighbours; types (N,).
    """

    first: Index
    vectors: Array
    j: Index
    types: Index

    @classmethod
    def from_lists(cls, index_i: Index, index_j: Index, vectors: Array, types: Index) -> Edges:
        """From edge lists sorted by index_i."""
        first = np.zeros(len(types) + 1, dtype=np.int64)
        np.cumsum(np.bincount(index_i, minlength=len(types)), out=first[1:])
        return cls(
            first,
            np.ascontiguousarray(vectors, dtype=np.float64),
            np.ascontiguousarray(index_j, dtype=np.int64),
            np.ascontiguousarray(types, dtype=np.int64),
        )


@dataclass(frozen=True, eq=False)
class ParameterGradient:
    """Derivatives of a loss by the parameters, shapes as in ModelSpec (pair: row 0 of radial_species)."""

    alpha: Array
    r0: Array
    weights: Array
    pair: Array
    species: Array
    theta: Array


class Kernel:
    """One ModelSpec bound to the compiled kernels; raises Sus2Error where they are not available.

    linear_map: xi = alpha (r - r0) / 2 without the tanh, for ablations alone (its second derivatives do not know it).
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        single_precision: bool = False,
        threads: int | None = None,
        linear_map: bool = False,
    ) -> None:
        library = _library("-DSUS2_LINEAR_MAP") if linear_map else _library()
        if library is None:
            raise Sus2Error("The fused kernels cannot be built here; use the torch model instead.")
        self._library = library
        self.single_precision = single_precision
        self.threads = threads or default_threads()
        self.spec = spec
        table = monomial_table(spec.max_rank)
        parent, axis, lower, factor = [], [], [], []
        for p in table:
            a, b, g = p
            k = next((x for x in range(3) if p[x]), 0)
            down = [(a - 1, b, g), (a, b - 1, g), (a, b, g - 1)]
            parent.append(table[down[k]] if sum(p) else 0)
            axis.append(k)
            lower.append([table[d] if min(d) >= 0 else -1 for d in down])
            factor.append([float(v) for v in p])
        c = spec.species_count

        def ints(x: Any) -> Index:
            return np.ascontiguousarray(x, dtype=np.int64)

        def floats(x: Any) -> Array:
            return np.ascontiguousarray(x, dtype=np.float64)

        assert spec.radial_species is not None
        arrays = {
            "kappa": ints(spec.scaling_index),
            "basic_mu": ints(spec.basic[:, 0]),
            "basic_ang": ints([table[(int(a), int(b), int(g))] for a, b, g in spec.basic[:, 1:]]),
            "ang_parent": ints(parent),
            "ang_axis": ints(axis),
            "ang_lower": ints(lower),
            "ang_factor": floats(factor),
            "times": ints(spec.times),
            "mapping": ints(spec.mapping),
            "alpha": floats(spec.alpha),
            "r0": floats(spec.r0),
            "weights": floats(spec.radial_weights),
            "pair_factor": floats(spec.radial_species[0]),
            "species_coeffs": floats(spec.species_coeffs),
            "theta": floats(spec.moment_coeffs),
        }
        self._arrays = arrays  # the C structure points into these
        self._model = _Model(
            c, spec.radial_basis_size, spec.radial_funcs_count, spec.scaling_blocks, len(spec.basic), len(spec.times),
            spec.moments_count, len(spec.mapping), len(table), spec.scaling, spec.max_dist,
            *(a.ctypes.data for a in arrays.values()),
        )  # fmt: skip
        self._shift = floats(spec.shift_coeffs)

    def evaluate(self, edges: Edges) -> tuple[Array, Array, Array]:
        """Site energies (N,) eV, forces (N, 3) eV/A and dE_i/d(strain) (N, 6) eV, Voigt xx yy zz yz xz xy."""
        n = len(edges.types)
        site, forces, virial = np.zeros(n), np.zeros((n, 3)), np.zeros((n, 6))
        self._library.sus2_evaluate(
            ctypes.byref(self._model), ctypes.byref(_edges(edges)), ctypes.c_int64(self.single_precision),
            ctypes.c_int64(self.threads), _pointer(site), _pointer(forces), _pointer(virial),
        )  # fmt: skip
        return site + self._shift[edges.types], forces, virial

    def differentiate(self, edges: Edges, energy_weight: Array, velocity: Array, strain: Array) -> ParameterGradient:
        """Parameter gradient of sum_i (u_i E_i + dE_i/dt), where atoms move and edges strain at given rates.

        energy_weight u (N,); velocity (N, 3) A; strain (N, 6) per central atom, Voigt xx yy zz yz xz xy with
        tensor (not engineering) shears. With u = dLoss/dE, velocity = -dLoss/dF and strain = dLoss/d(virial)
        this is the gradient of any loss of energies, forces and stresses: forward mode inside reverse mode.
        """
        s = self.spec
        c, blocks = s.species_count, s.scaling_blocks
        out = ParameterGradient(
            alpha=np.zeros((blocks, c, c)), r0=np.zeros((blocks, c, c)),
            weights=np.zeros((s.radial_funcs_count, s.radial_basis_size)), pair=np.zeros(c), species=np.zeros(c),
            theta=np.zeros(len(s.mapping)),
        )  # fmt: skip
        u = np.ascontiguousarray(energy_weight, dtype=np.float64)
        velocity = np.ascontiguousarray(velocity, dtype=np.float64)
        strain = np.ascontiguousarray(strain, dtype=np.float64)
        n = len(edges.types)
        if (u.shape, velocity.shape, strain.shape) != ((n,), (n, 3), (n, 6)):
            raise ValueError(f"rates of shape {u.shape}, {velocity.shape}, {strain.shape} do not fit {n} atoms")
        self._library.sus2_differentiate(
            ctypes.byref(self._model), ctypes.byref(_edges(edges)), ctypes.c_int64(self.single_precision),
            ctypes.c_int64(self.threads), _pointer(u), _pointer(velocity), _pointer(strain), _pointer(out.alpha),
            _pointer(out.r0), _pointer(out.weights), _pointer(out.pair), _pointer(out.species), _pointer(out.theta),
        )  # fmt: skip
        return out

    def second_order(self, edges: Edges) -> tuple[Array, Array, Array, Array, Array]:
        """Site energies (N,) eV to second order in the edge vectors, as sus2._local_hessian.LocalHessian has them.

        Gradient (E, 3), jacobian (E, 3, nb), head (N, nb, nb), curvature (E, 3, 3); float64 whatever the precision.
        """
        n, count, nb = len(edges.types), len(edges.j), len(self.spec.basic)
        out = (
            np.zeros(n), np.zeros((count, 3)), np.zeros((count, 3, nb)), np.zeros((n, nb, nb)), np.zeros((count, 3, 3))
        )  # fmt: skip
        self._library.sus2_second_order(
            ctypes.byref(self._model), ctypes.byref(_edges(edges)), ctypes.c_int64(self.threads), *map(_pointer, out)
        )
        return out[0] + self._shift[edges.types], *out[1:]


def response(edges: Edges, jacobian: Array, head: Array, curvature: Array) -> Array:
    """d2E by displacements of the lattice period and strains, (3N + 6, 3N + 6): eV/A^2, eV/A and eV.

    Takes what Kernel.second_order gives; strains in Voigt order with engineering shear, r -> (1 + strain) r, without
    the part from the second-order change of an edge (there is none: r is linear in a symmetric strain).
    """
    library = _library()
    if library is None:
        raise Sus2Error("The fused kernels cannot be built here; use the torch model instead.")
    n = len(edges.types)
    out = np.zeros((3 * n + 6, 3 * n + 6))
    library.sus2_response(
        ctypes.byref(_edges(edges)), ctypes.c_int64(head.shape[1]), ctypes.c_int64(default_threads()),
        *map(_pointer, (jacobian, head, curvature, out)),
    )  # fmt: skip
    return out


def _pointer(x: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


def _edges(e: Edges) -> _Edges:
    return _Edges(len(e.types), e.first.ctypes.data, e.vectors.ctypes.data, e.j.ctypes.data, e.types.ctypes.data)
