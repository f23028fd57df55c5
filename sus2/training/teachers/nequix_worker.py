"""Nequix as a teacher; runs in the teachers' own environment (torch, e3nn, nequix), never imported by the package.

Nequix (Koker et al., arXiv 2508.16067) takes a tensor product on every edge: sender's features x, spherical harmonics
Y of the edge, weights w(r) = h(r) W from a small network. The message is linear in the products h_k(r) Y_m(r), so here
these are summed over the edges of each pair of atoms first (its periodic images), then multiplied by W, then coupled
with x and summed over the senders; the Clebsch-Gordan coefficients come last, once for each atom. Opposite edges share
h and differ in Y by parity. In cells of a few atoms most of the work falls away, and the function is the published
one: `check` compares both (1e-8 in float64). Reads and writes plain npz files (no pickle).
Units: A, eV, eV/A, eV/A^3 (ASE sign, Voigt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import sys
import time
import types
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch
from e3nn import o3  # type: ignore[import-not-found]
from half_edges import (  # type: ignore[import-not-found]  # beside this script
    PBC,
    Batch,
    Crystal,
    HalfEdges,
    Label,
    half_edges,
    in_batches,
)
from pymatgen.optimization.neighbors import find_points_in_spheres

HARMONICS = (0, 1, 2, 3)
# Atoms squared in one batch: it bounds the pairs of atoms, which take the memory.
BATCH = 400


def published(path: Path) -> tuple[Any, dict[str, Any]]:
    """The published torch model and its configuration, without the parent package, which imports jax."""
    sys.modules.pop("nequix", None)
    found = importlib.util.find_spec("nequix")
    if found is None or found.submodule_search_locations is None:
        raise SystemExit("nequix is not installed in the teachers' environment; run 'sus2 data setup'.")
    folders = list(found.submodule_search_locations)
    for name, paths in (("nequix", folders), ("nequix.torch_impl", [f"{p}/torch_impl" for p in folders])):
        module = types.ModuleType(name)
        module.__path__ = paths
        sys.modules[name] = module
    from nequix.torch_impl.model import load_model  # type: ignore[import-not-found]

    model, config = load_model(str(path), False)
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model, config


def linear_blocks(linear: Any, dtype: torch.dtype) -> dict[int, torch.Tensor]:
    """Matrix (in, out) of an equivariant linear layer for each l that it has a path for."""
    blocks, start = {}, 0
    for path in linear.instructions:
        if path.i_in == -1:
            continue
        rows, irrep = linear.irreps_in[path.i_in]
        columns = linear.irreps_out[path.i_out].mul
        weight = linear.weight[start : start + rows * columns].reshape(rows, columns)
        blocks[irrep.l] = (weight * path.path_weight).to(dtype).contiguous()
        start += rows * columns
    return blocks


class Graph:
    """Which edges belong to which pair of atoms, and which pairs carry messages, for a batch of crystals."""

    def __init__(self, pair: np.ndarray, first: np.ndarray, second: np.ndarray, atoms: int, parity: torch.Tensor):
        edges, pairs = len(pair), len(first)
        counts = np.bincount(pair, minlength=pairs)
        slots = np.full((pairs, int(counts.max())), edges)
        order = np.argsort(pair, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])
        slots[pair[order], np.arange(edges) - starts[pair[order]]] = order
        other = np.flatnonzero(first != second)
        self.atoms = atoms
        self.slots = torch.from_numpy(slots)
        # A pair of an atom with its own images stands for both directions at once.
        self.own = torch.where(torch.from_numpy(first == second)[:, None, None], 1.0 + parity, torch.ones_like(parity))
        self.other = torch.from_numpy(other)
        self.parity = parity
        self.senders = torch.from_numpy(np.concatenate([second, first[other]]))
        self.receivers = torch.from_numpy(np.concatenate([first, second[other]]))

    def by_pair(self, values: torch.Tensor) -> torch.Tensor:
        """(edges, c) -> (pairs, images, c), zeros where a pair has fewer images."""
        return torch.cat([values, values.new_zeros(1, values.shape[1])])[self.slots]


class Layer:
    """One convolution of the published model; features are a list of (atoms, 2 l + 1, channels)."""

    def __init__(self, module: Any, dtype: torch.dtype):
        *hidden, last = [layer.weights for layer in module.radial_mlp.layers]
        self.hidden = [w.to(dtype).contiguous() for w in hidden]
        paths, start = [], 0
        for path in module.tp.instructions:
            channels, left = module.tp.irreps_in1[path.i_in1]
            l2, l3 = module.tp.irreps_in2[path.i_in2].ir.l, module.tp.irreps_out[path.i_out].ir.l
            coupling = o3.wigner_3j(left.l, l2, l3, dtype=torch.float64) * path.path_weight
            paths.append((left.l, l2, l3, channels, last[:, start : start + channels], coupling))
            start += channels
        self.first = linear_blocks(module.linear_1, dtype)
        self.skip = linear_blocks(module.skip, dtype)
        # For each l2: weights of the last radial layer, and how many paths and channels each l1 has in them.
        self.radial: list[tuple[int, torch.Tensor, list[tuple[int, int, int]]]] = []
        for l2 in HARMONICS:
            mine = sorted((p for p in paths if p[1] == l2), key=lambda p: p[0])
            parts = [(l1, [p for p in mine if p[0] == l1]) for l1 in sorted({p[0] for p in mine})]
            if mine:
                weights = torch.cat([p[4] for p in mine], 1).to(dtype).contiguous()
                self.radial.append((l2, weights, [(l1, len(found), found[0][3]) for l1, found in parts]))
        # For each (l1, l2): path number, l3, Clebsch-Gordan (2 l3 + 1, (2 l1 + 1)(2 l2 + 1)), rows of the second layer.
        self.coupling: dict[tuple[int, int], list[tuple[int, int, torch.Tensor, torch.Tensor]]] = {}
        scale = 1.0 / math.sqrt(module.avg_n_neighbors)
        for l3, weights in linear_blocks(module.linear_2, dtype).items():
            row = 0
            for l1, l2, _, channels, _, c in [p for p in paths if p[2] == l3]:
                number = [p[2] for p in paths if p[:2] == (l1, l2)].index(l3)
                matrix = (scale * c).reshape(-1, 2 * l3 + 1).T.to(dtype).contiguous()
                rows = weights[row : row + channels].contiguous()
                self.coupling.setdefault((l1, l2), []).append((number, l3, matrix, rows))
                row += channels
        self.norm = [w.to(dtype) for w in module.layer_norm.affine_weight]
        self.eps = float(module.layer_norm.eps)
        sample = torch.tensor([0.7], dtype=torch.float64)
        activation = module.gate.scalars_extra.acts[0]
        self.gain = float(activation(sample) / torch.nn.functional.silu(sample))

    def __call__(
        self, features: list[torch.Tensor], radial: torch.Tensor, harmonics: torch.Tensor, graph: Graph
    ) -> list[torch.Tensor]:
        """Features after the convolution; radial (edges, 8), harmonics (pairs, images, 16)."""
        for weights in self.hidden:
            radial = torch.nn.functional.silu(radial @ weights)
        summed = torch.bmm(harmonics.transpose(1, 2), graph.by_pair(radial))
        summed = torch.cat([summed * graph.own, summed[graph.other] * graph.parity])
        out = self._messages(features, summed, graph)
        for degree, x in enumerate(features):
            if degree in self.skip:
                out[degree] = out.get(degree, 0.0) + x @ self.skip[degree]
        return self._activated([out[degree] for degree in sorted(out)])

    def _messages(self, features: list[torch.Tensor], summed: torch.Tensor, graph: Graph) -> dict[int, torch.Tensor]:
        sent = [(x @ self.first[degree])[graph.senders] for degree, x in enumerate(features)]
        by_l2 = summed.split([2 * degree + 1 for degree in HARMONICS], 1)
        out: dict[int, torch.Tensor] = {}
        for l2, weights, parts in self.radial:
            weighted = by_l2[l2].reshape(-1, summed.shape[2]) @ weights
            weighted = weighted.view(len(summed), 2 * l2 + 1, -1)
            split = weighted.split([count * channels for _, count, channels in parts], 2)
            for (l1, count, channels), block in zip(parts, split, strict=True):
                left = sent[l1].repeat(1, 1, count) if count > 1 else sent[l1]
                outer = (left[:, :, None] * block[:, None]).flatten(1)
                total = outer.new_zeros(graph.atoms, outer.shape[1]).index_add(0, graph.receivers, outer)
                total = total.view(graph.atoms, (2 * l1 + 1) * (2 * l2 + 1), count, channels)
                by_path = total.unbind(2)
                for number, l3, matrix, rows in self.coupling.get((l1, l2), ()):
                    term = (matrix @ by_path[number]) @ rows
                    out[l3] = out[l3] + term if l3 in out else term
        return out

    def _activated(self, out: list[torch.Tensor]) -> list[torch.Tensor]:
        """Root-mean-square norm over everything, then the gate: scalars and, with further scalars, the rest."""
        square = torch.stack([(x**2).sum((1, 2)) / (x.shape[1] ** 2 * len(self.norm)) for x in out]).sum(0)
        factor = torch.pow(square + self.eps, -0.5)[:, None, None]
        out = [x * factor * weight for x, weight in zip(out, self.norm, strict=True)]
        scalars = torch.nn.functional.silu(out[0]) * self.gain
        if len(out) == 1:
            return [scalars]
        widths = [x.shape[2] for x in out[1:]]
        head, *gates = scalars.split([scalars.shape[2] - sum(widths), *widths], 2)
        return [head] + [x * gate for x, gate in zip(out[1:], gates, strict=True)]


class Teacher:
    """Nequix as energy, forces and stress of a batch of periodic structures."""

    def __init__(self, path: Path, dtype: torch.dtype = torch.float32):
        torch.set_default_dtype(torch.float64)
        model, config = published(path)
        self.layers = [Layer(module, dtype) for module in model.layers]
        torch.set_default_dtype(torch.float32)
        if not config["layer_norm"] or config["index_weights"] or config["lmax"] != HARMONICS[-1]:
            raise SystemExit(f"{path.name} is not a Nequix model of a form that this evaluation supports.")
        self.dtype = dtype
        self.cutoff = float(config["cutoff"])
        self.power = float(config["radial_polynomial_p"])
        self.functions = int(config["radial_basis_size"])
        self.index = np.full(120, -1)
        self.index[config["atomic_numbers"]] = np.arange(len(config["atomic_numbers"]))
        self.readout = linear_blocks(model.readout, dtype)[0]
        self.references = model.atom_energies.double().numpy() + float(model.shift)
        self.scale = float(model.scale)
        signs = [(-1.0) ** degree for degree in HARMONICS for _ in range(2 * degree + 1)]
        self.parity = torch.tensor(signs, dtype=dtype)[None, :, None]

    def energies(self, kinds: torch.Tensor, vectors: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Atomic energies without references.

        Parameters
        ----------
        kinds
            (N,), elements as the model numbers them.
        vectors
            (E, 3), half of the edges, A.
        graph
            Which pair of atoms each edge belongs to.

        Returns
        -------
        Tensor
            (N,), eV.
        """
        distance = vectors.norm(dim=1)
        p, x = self.power, distance / self.cutoff
        smooth = 1.0 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
        waves = torch.arange(1, self.functions + 1, dtype=self.dtype) * math.pi
        radial = 2.0 / self.cutoff * torch.sin(waves * x[:, None]) / distance[:, None]
        radial = radial * (smooth * (x < 1.0))[:, None]
        harmonics = o3.spherical_harmonics(list(HARMONICS), vectors, normalize=True, normalization="component")
        by_pair = graph.by_pair(harmonics)
        features = [torch.nn.functional.one_hot(kinds, len(self.references)).to(self.dtype)[:, None]]
        for layer in self.layers:
            features = layer(features, radial, by_pair, graph)
        return (features[0] @ self.readout)[:, 0, 0] * self.scale

    def evaluate(self, structures: Sequence[Crystal], batch: int = BATCH) -> list[Label]:
        """Label structures.

        Parameters
        ----------
        structures
            Atomic numbers (n,), positions (n, 3) A and cell (3, 3) A of each.
        batch
            Atoms squared that are evaluated together.

        Returns
        -------
        list of tuple
            Energy (eV), forces (n, 3) eV/A and stress (6,) eV/A^3, Voigt, ASE sign, of each.
        """
        edges = [half_edges(positions, cell, self.cutoff) for _, positions, cell in structures]
        sizes = [len(numbers) for numbers, _, _ in structures]
        order = sorted(range(len(structures)), key=lambda k: (sizes[k], len(edges[k][0])))
        return in_batches(
            len(structures),
            order,
            [size**2 for size in sizes],
            batch,
            lambda chosen: self._chunk([structures[k] for k in chosen], [edges[k] for k in chosen]),
        )

    def _chunk(self, crystals: list[Crystal], edges: list[HalfEdges]) -> list[Label]:
        batch = Batch.of(crystals, edges)
        kinds = self.index[batch.kinds]
        graph = Graph(batch.pair, batch.first, batch.second, len(kinds), self.parity)
        elements = torch.from_numpy(kinds)
        return batch.labels(lambda v: self.energies(elements, v, graph), self.references[kinds], self.dtype)


def label(teacher: Teacher, source: Path, target: Path) -> int:
    """Label one shard.

    Parameters
    ----------
    teacher
        The teacher.
    source
        File of the structures.
    target
        File of the labels, written whole or not at all.

    Returns
    -------
    int
        Number of structures.

    Raises
    ------
    SystemExit
        An element that the teacher does not cover.
    """
    with np.load(source, allow_pickle=False) as data:
        numbers, positions, cells, offsets = (data[k] for k in ("numbers", "positions", "cells", "offsets"))
    unknown = numbers[teacher.index[numbers] < 0]
    if len(unknown):
        raise SystemExit(f"{source} has an element that the teacher does not cover (Z = {unknown[0]}).")
    crystals = [(numbers[a:b], positions[a:b], cells[i]) for i, (a, b) in enumerate(pairwise(offsets))]
    results = teacher.evaluate(crystals)
    arrays = {
        "energy": np.array([r[0] for r in results]),
        "forces": np.concatenate([r[1] for r in results]),
        "stress": np.array([r[2] for r in results]),
    }
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    return len(crystals)


def check(path: Path) -> None:
    """Compare with the published evaluation on rattled cells in float64.

    Parameters
    ----------
    path
        File of the weights.

    Raises
    ------
    SystemExit
        Energies per atom, forces or stresses differ by more than 1e-6 (eV, eV/A, eV/A^3).
    """
    from ase.build import bulk

    teacher = Teacher(path, torch.float64)
    model, _ = published(path)
    model = model.double()
    for name, prototype, a in (("MgO", "rocksalt", 4.25), ("Si", "diamond", 5.47), ("W", "bcc", 3.18)):
        atoms = bulk(name, prototype, a=a) * (2, 1, 1)
        atoms.rattle(0.05, seed=1)
        crystal = (atoms.numbers, atoms.positions, np.array(atoms.cell))
        energy, forces, stress = teacher.evaluate([crystal])[0]
        torch.set_default_dtype(torch.float64)
        reference = _published_label(model, teacher, crystal)
        torch.set_default_dtype(torch.float32)
        ours = np.concatenate([[energy / len(atoms)], forces.ravel(), stress])
        theirs = np.concatenate([[reference[0] / len(atoms)], reference[1].ravel(), reference[2]])
        difference = float(np.abs(ours - theirs).max())
        print(json.dumps({"crystal": name, "energy_ev_per_atom": energy / len(atoms), "difference": difference}))
        if difference > 1e-6:
            raise SystemExit(f"This and the published evaluation differ by {difference:.1e}; nequix 0.4.5 is needed.")


def _published_label(model: Any, teacher: Teacher, crystal: Crystal) -> Label:
    numbers, positions, cell = crystal
    i, j, images, distance = find_points_in_spheres(
        positions, positions, r=teacher.cutoff, pbc=PBC, lattice=np.ascontiguousarray(cell), tol=1e-8
    )
    keep = distance > 1e-8
    energies, forces, stress = model(
        torch.from_numpy(teacher.index[numbers]),
        torch.tensor(positions),
        torch.tensor(images[keep]).double(),
        torch.from_numpy(np.stack([j[keep], i[keep]]).astype(np.int64)),
        torch.tensor(cell)[None],
        None,
        None,
        torch.zeros(len(numbers), dtype=torch.long),
    )
    s = stress[0].detach().numpy()
    voigt = np.array([s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]])
    return float(energies.detach().sum()), forces.detach().numpy(), voigt


def main() -> None:
    """Label the shards of a folder that have no labels yet, or check the evaluation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["check", "label"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--shard", default="*", help="the number of one shard, such as 0003")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if arguments.task == "check":
        check(arguments.weights)
        return
    teacher = Teacher(arguments.weights)
    for source in sorted(arguments.folder.glob(f"structures-{arguments.shard}.npz")):
        target = arguments.folder / source.name.replace("structures", "labels-PBE")
        if target.exists():
            continue
        began = time.perf_counter()
        count = label(teacher, source, target)
        seconds = round(time.perf_counter() - began, 2)
        print(json.dumps({"file": target.name, "count": count, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
