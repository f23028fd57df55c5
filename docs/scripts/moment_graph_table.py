"""Measure the moment graphs and write docs/moment-graph.md.

Usage, from the root of the repository: SUS2_SHARED=DIR PYTHONPATH=. python docs/scripts/moment_graph_table.py

DIR/reference/models holds published SUS2 potentials; only their moment graphs are read. Takes a quarter of a minute.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sus2.potential.moments.contractions import all_contractions
from sus2.potential.moments.graph import MomentGraph, basic_moments, evaluate_graph, graph, multiplications, two_level
from sus2.potential.mtp import ModelSpec, read_mtp
from sus2.types import Array

PUBLISHED_COUNTS = {"l2k2": 62, "l2k3": 175, "l3k2": 109, "l3k3": 322}
PUBLISHED_FILES = {"l2k2": "m3gnet_l2k2.mtp", "l2k3": "m3gnet_l2k3.mtp", "l3k3": "perovskite.mtp"}
SAME_GRAPH = {"l2k3": ["alloy.mtp", "hh130.mtp", "solid_electrolytes.mtp"]}
SIZES = ("l2k1", "l2k2", "l2k3", "l3k1", "l3k2", "l3k3")
ZERO = 1e-10  # relative to the largest singular value, or to the norm of a column
NEIGHBOURS = 30


def environments(g: MomentGraph | ModelSpec, count: int, seed: int) -> tuple[Array, Array]:
    """Random unit vectors and independent random values of every radial function for each neighbour."""
    rng = np.random.default_rng(seed)
    n = rng.normal(size=(count, NEIGHBOURS, 3))
    radial = rng.normal(size=(count, NEIGHBOURS, g.radial_funcs_count)) / np.sqrt(NEIGHBOURS)
    return n / np.linalg.norm(n, axis=-1, keepdims=True), radial


def scaled(columns: Array) -> Array:
    return columns / np.linalg.norm(columns, axis=0)


def rank(columns: Array) -> tuple[int, float, float]:
    """Rank, smallest singular value that counts, largest that does not (both relative to the largest)."""
    s = np.linalg.svd(columns, compute_uv=False)
    s = s / s[0]
    r = int(np.count_nonzero(s > ZERO))
    return r, float(s[r - 1]), float(s[r]) if r < len(s) else 0.0


def residuals(of: Array, on: Array) -> Array:
    """Norm of what is left of each unit column of `of` after projection on the columns of `on`."""
    q = np.linalg.qr(on)[0]
    rest = of - q @ (q.T @ of)
    return np.linalg.norm(rest - q @ (q.T @ rest), axis=0)


@dataclass(frozen=True)
class Span:
    ours: int
    ours_rank: int
    smallest: float
    published: int
    published_rank: int
    zero: float
    joint_rank: int
    published_on_ours: Array
    ours_on_published: Array


def span(g: MomentGraph, spec: ModelSpec, seed: int) -> Span:
    count = 2 * (len(g.mapping) + len(spec.mapping)) + 100
    n, radial = environments(g, count, seed)
    ours = scaled(evaluate_graph(g, basic_moments(g.basic, n, radial)))
    theirs = scaled(evaluate_graph(spec, basic_moments(spec.basic, n, radial)))
    ours_rank, smallest, _ = rank(ours)
    theirs_rank, _, zero = rank(theirs)
    u, s, _ = np.linalg.svd(theirs, full_matrices=False)
    return Span(
        ours=ours.shape[1],
        ours_rank=ours_rank,
        smallest=smallest,
        published=theirs.shape[1],
        published_rank=theirs_rank,
        zero=zero,
        joint_rank=rank(np.hstack([ours, theirs]))[0],
        published_on_ours=residuals(theirs, ours),
        ours_on_published=residuals(ours, u[:, s > ZERO * s[0]]),
    )


def row(*cells: object) -> str:
    return "| " + " | ".join(str(c) for c in cells) + " |"


def counts_table() -> list[str]:
    out = [
        "| L | K | published | `same-channel` | `all` | dependent in `all` | `all` by number of tensors (1, 2, 3, 4) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in SIZES:
        ours, full = graph(name), graph("full-" + name)
        made = len(all_contractions(full.max_rank, full.channels))
        kinds = ", ".join(str(v) for v in np.bincount(full.tensor_counts, minlength=5)[1:])
        out.append(
            row(
                ours.max_rank,
                ours.channels,
                PUBLISHED_COUNTS.get(name, "-"),
                len(ours.mapping),
                len(full.mapping),
                made - len(full.mapping),
                kinds,
            )
        )
    return out


def span_tables(specs: dict[str, ModelSpec]) -> list[str]:
    out = [
        "| graph | scalars ours | rank ours | scalars published | rank published | rank of both together "
        "| published scalars within ours | worst residual | ours outside published | their residuals |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    extra = []
    for name, spec in specs.items():
        for prefix in ("", "full-"):
            g = graph(prefix + name)
            s = span(g, spec, seed=len(name) + len(prefix))
            outside = s.ours_on_published > 1e-8
            left = s.ours_on_published[outside]
            inside = int(np.count_nonzero(s.published_on_ours < 1e-8))
            print(prefix + name, s.joint_rank, s.smallest, s.zero, s.published_on_ours.max(), flush=True)
            out.append(
                row(
                    f"`{prefix}{name}`",
                    s.ours,
                    s.ours_rank,
                    s.published,
                    s.published_rank,
                    s.joint_rank,
                    f"{inside} of {s.published}",
                    f"{s.published_on_ours.max():.0e}",
                    len(left),
                    f"{left.min():.2f} to {left.max():.2f}" if len(left) else "-",
                )
            )
            if not prefix:
                formulas = [f for f, o in zip(g.formulas, outside, strict=True) if o]
                extra.append(f"- `{name}`: " + "; ".join(f"`{f}`" for f in formulas))
    return [*out, "", "Scalars of ours that the published graphs do not span:", "", *extra]


def cost_table(specs: dict[str, ModelSpec]) -> list[str]:
    out = [
        "| graph | scalars | moments | rows | multiplications by rows | features | product rows | pairs "
        "| multiplications as quadratic form |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    items: list[tuple[str, MomentGraph | ModelSpec]] = []
    for name in SIZES:
        items.append((f"`{name}`", graph(name)))
        if name in specs:
            items.append((f"published {name}", specs[name]))
    items += [(f"`full-{name}`", graph("full-" + name)) for name in SIZES]
    for label, g in items:
        h = two_level(g)
        out.append(
            row(
                label,
                len(g.mapping),
                g.moments_count,
                len(g.times),
                multiplications(g),
                h.feature_count,
                len(h.products),
                len(h.pairs),
                h.multiplications,
            )
        )
    return out


TEXT = """# The moment graph

Made by `docs/scripts/moment_graph_table.py`; the code is `sus2/potential/moments/graph.py` (table of products),
`sus2/potential/moments/contractions.py` (which contractions) and `sus2/potential/moments/quadratic_form.py` (quadratic
form).

## Which scalars

M(k,l) is the moment tensor of radial channel k < K and rank l <= L, the sum over neighbours j of R_mu(r_ij)
times the l-fold outer product of n_ij = r_ij / |r_ij|, with mu = k (L+1) + l. A scalar is a full
contraction of up to four of them (body order up to five): a multigraph whose vertices are the tensors and
whose edges are the summed indices. Equal ones are recognised by their canonical form, so none appears
twice.

- **No self-contraction.** With |n| = 1 the trace of M(k,l) is sum_j R_mu(r_ij) times a tensor of rank
  l - 2: a moment of lower rank whose radial function is that of M(k,l). It is an independent function in
  general, but it is one that another radial channel gives directly, and a sum without a product cannot be
  written in the `.mtp` table.
- **No Levi-Civita tensor**: the scalars are invariant under reflections too, as an energy must be.
- **Disconnected graphs**, that is products of simpler scalars, are scalars of their own: the energy is
  linear in the scalars, so their products are not otherwise in its reach.
- **Independence** is decided by the rank of the descriptor matrix on random environments (random
  directions, independent random values of each radial function). Scalars of different sets of tensors have
  different degrees in the radial functions and are independent for that reason, so the decision is made for
  each set. For L <= 3 and any number of channels (four distinct ones are the most that a scalar can have)
  the test finds nothing to drop: without self-contractions there is no linear relation among these scalars.

Two rules:

- `all` (`graph("full-l2k2")`, ...): every contraction.
- `same-channel` (`graph("l2k2")`, ...), the default: the published size and shape. Two tensors of any
  channels give their scalar product; a pair that keeps free indices is formed within one radial channel
  only, so that there are K such pairs instead of K^2. Scalars: rank 0 and products of up to three of rank 0;
  scalar products, alone, with rank 0, and with each other; (l_a l_a) contracted to a symmetric matrix,
  with rank 2 of any channel b or, for l > 1, with (l_b l_b); (1_a (x) l_a) with (l+1)_b; the vector
  l_a . (l+1)_a with l_b . (l+1)_b.

The published graphs follow the same pattern with one difference: where we have the vectors' products, they
have (1_a (x) 1_a):(1_b (x) 1_b) and, for L = 3, (1_a (x) 2_a):(1_b (x) 2_b). These equal (1_a.1_b)^2 and
(1_a.1_b)(2_a:2_b), which are in the list already, so K(K+1)/2 scalars (twice that for L = 3) repeat others.
The products of vectors are the same number, independent, and have fewer components.

## Counts
"""

SPAN_TEXT = """
## What the published graphs span, and what ours span

Random environments with {neighbours} neighbours, float64, columns scaled to norm 1, at least twice as many
environments as columns. A residual is the norm that is left of a unit column after projection on the other
basis. The files {files} have the graph of the published l2k3 row for row.
"""

COST_TEXT = """
## Cost

Multiplications for the sum over scalars of one atom, once its basic moments are known. *By rows*: the table
as it stands, one for each row, two where its multiplier is not 1, one for each scalar. *As quadratic form*:
with theta given, sum_s theta_s B_s = lin . F + F^T Q F with F the basic and first-level moments
(`two_level` makes it from any graph that is two levels deep, the published ones included); pairs are the
entries of Q on and above its diagonal.
"""


def main() -> None:
    shared = os.environ.get("SUS2_SHARED")
    if not shared:
        sys.exit("Set SUS2_SHARED to the folder that holds reference/models with the published potentials.")
    models = Path(shared) / "reference" / "models"
    specs = {name: read_mtp(models / file) for name, file in PUBLISHED_FILES.items()}
    for name, files in SAME_GRAPH.items():
        for file in files:
            other = read_mtp(models / file)
            for key in ("basic", "times", "mapping"):
                if not np.array_equal(getattr(other, key), getattr(specs[name], key)):
                    sys.exit(f"{file} does not have the graph of {PUBLISHED_FILES[name]}: correct SAME_GRAPH.")
    files_text = ", ".join(f"`{f}`" for f in SAME_GRAPH["l2k3"])
    parts = [
        TEXT,
        *counts_table(),
        SPAN_TEXT.format(neighbours=NEIGHBOURS, files=files_text),
        *span_tables(specs),
        COST_TEXT,
        *cost_table(specs),
    ]
    target = Path(__file__).resolve().parents[1] / "moment-graph.md"
    target.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print(f"wrote {target.name}")


if __name__ == "__main__":
    main()
