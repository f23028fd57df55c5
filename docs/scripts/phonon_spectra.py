"""Phonon spectra of the binaries in the shared data, beside those of the teacher.

    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/phonon_spectra.py [POTENTIAL ...]

For each crystal the distance between the two distributions of frequencies on a mesh of wave vectors (the first
Wasserstein distance, THz; both without the splitting of longitudinal and transverse modes), each potential at its own
relaxed geometry. Spectra by density functional theory are not in the shared data; Nequix-OMat-1 is within 0.16 THz of
such spectra in the mean. Needs the teacher (`sus2 data setup --teacher nequix`), whose spectra are kept in the cache.
Prints Markdown.
"""

from __future__ import annotations

import gzip
import json
import sys

import numpy as np
from ase import Atoms
from metal_frequencies import supercell  # beside this script
from scipy.stats import wasserstein_distance

import sus2
from sus2.errors import Sus2Error
from sus2.native.build import cache_folder
from sus2.potential.evaluation import Calculates
from sus2.structures import standardise
from sus2.training.data.reference_sets import shared_root
from sus2.training.teachers.remote import remote_teacher
from sus2.types import Array

MESH = 6
UNSTABLE_THZ = -0.3


def wave_vectors() -> Array:
    """A mesh that misses the centre of the zone, (MESH^3, 3)."""
    axis = (np.arange(MESH) + 0.5) / MESH
    return np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)


def spectrum(atoms: Atoms, potential: Calculates, finite: bool) -> Array:
    """All frequencies in THz, negative where imaginary."""
    rest = sus2.relax(standardise(atoms, "primitive", symprec=1e-3), potential, fmax=1e-3).require_converged().atoms
    if finite:
        waves = sus2.phonons(rest, potential, relaxed=True, method="finite", supercell=supercell(rest))
    else:
        waves = sus2.phonons(rest, potential, relaxed=True)
    return np.sort(waves.modes(wave_vectors()).frequencies_thz.ravel())


def main() -> None:
    crystals = json.loads(gzip.decompress((shared_root() / "data" / "phonon_structures.json.gz").read_bytes()))
    (teacher,) = (t for f, t in remote_teacher("nequix-omat-1").items() if f == "PBE")
    folder = cache_folder() / "spectra"
    folder.mkdir(parents=True, exist_ok=True)
    names = sys.argv[1:] or ["sus2-universal-pbe"]
    potentials = [sus2.load(name) for name in names]
    distances: list[list[float]] = [[] for _ in names]
    unstable: list[list[str]] = [[] for _ in names]
    worst: list[list[tuple[float, str]]] = [[] for _ in names]
    for row in crystals:
        atoms = Atoms(row["symbols"], positions=row["positions"], cell=row["cell"], pbc=True)
        label, path = f"{row['material']} ({row['space_group']})", folder / f"{row['mp_id']}-{row['space_group']}.npy"
        if not path.exists():
            try:
                np.save(path, spectrum(atoms, teacher, finite=True))
            except Sus2Error as error:
                print(f"{label}: {error}", file=sys.stderr, flush=True)
                continue
        wanted = np.load(path)
        for k, potential in enumerate(potentials):
            try:
                found = spectrum(atoms, potential, finite=False)
            except Sus2Error as error:
                print(f"{label}, {names[k]}: {error}", file=sys.stderr, flush=True)
                continue
            distances[k].append(float(wasserstein_distance(found, wanted)))
            worst[k].append((distances[k][-1], label))
            if found[0] < UNSTABLE_THZ <= wanted[0]:
                unstable[k].append(label)
    print("| potential | crystals | mean, median distance (THz) | unstable, where the teacher is not | farthest |")
    print("|---|--:|--:|---|---|")
    for k, name in enumerate(names):
        far = ", ".join(f"{label} {d:.2f}" for d, label in sorted(worst[k], reverse=True)[:5])
        text = ", ".join(unstable[k]) or "none"
        numbers = f"{np.mean(distances[k]):.2f}, {np.median(distances[k]):.2f}"
        print(f"| `{name}` | {len(distances[k])} | {numbers} | {text} | {far} |")


if __name__ == "__main__":
    main()
