"""Runs in the teachers' environment (with chgnet), never imported by the package.

Pressure of every relaxed base crystal of a shard by CHGNet 0.3.0 (PBE) and CHGNet r2SCAN, in eV/A^3; with --labels
energies (eV) and forces (eV/A) of all structures of the shard by CHGNet 0.3.0.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch
from ase.units import GPa
from chgnet.model import CHGNet
from pymatgen.core import Lattice, Structure

MODELS = {"PBE": "0.3.0", "r2SCAN": "r2scan"}


def main() -> None:
    """Write ``second-K.npz`` beside ``structures-K.npz``; done shards are skipped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shard", required=True)
    parser.add_argument("--labels", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    target = arguments.folder / f"second-{arguments.shard}.npz"
    with np.load(arguments.folder / f"structures-{arguments.shard}.npz", allow_pickle=False) as stored:
        data = {key: stored[key] for key in ("numbers", "positions", "cells", "offsets", "kind", "base")}
    chosen = np.arange(len(data["kind"])) if arguments.labels else np.flatnonzero(data["kind"] == "relaxed")
    structures = []
    for i in chosen:
        rows = slice(data["offsets"][i], data["offsets"][i + 1])
        species = [int(z) for z in data["numbers"][rows]]
        structures.append(
            Structure(Lattice(data["cells"][i]), species, data["positions"][rows], coords_are_cartesian=True)
        )
    arrays: dict[str, np.ndarray] = {"base": data["base"][chosen]}
    began = time.perf_counter()
    for functional, name in [("PBE", MODELS["PBE"])] if arguments.labels else MODELS.items():
        model = CHGNet.load(model_name=name, use_device="cpu", verbose=False)
        model.graph_converter.set_isolated_atom_response("ignore")
        found = model.predict_structure(structures, task="efs", batch_size=8)
        if arguments.labels:
            arrays["energy_ev"] = np.array([float(f["e"]) * len(s) for f, s in zip(found, structures, strict=True)])
            arrays["forces_ev_per_a"] = np.concatenate([f["f"] for f in found])
            continue
        arrays[f"pressure_{functional}"] = np.array([-np.trace(f["s"]) / 3.0 * GPa for f in found])
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(target)
    seconds = round(time.perf_counter() - began, 2)
    print(json.dumps({"file": target.name, "count": len(chosen), "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
