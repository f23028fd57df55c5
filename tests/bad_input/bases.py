"""Valid files of every kind, small: what the mutations start from."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from functools import cache

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sus2.jobs import archive
from sus2.potential.card import Card
from sus2.potential.mtp import format_mtp
from sus2.properties.eos.equations import fit_eos
from sus2.structures import sample, write_structure
from tests.helpers_formats import CSCL
from tests.helpers_programs import WHOLE
from tests.helpers_spec import random_spec

MINIMAL_CIF = """data_nacl
_cell_length_a 5.64(2)
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na+ 0 0 0 1
Cl1 Cl- 0.5 0.5 0.5 1.0
"""
_POSCAR = """{comment}
{scale}
0 2.715 2.715
2.715 0 2.715
2.715 2.715 0
{names}{counts}
{selective}{mode}
{rows}
"""
CFG = """BEGIN_CFG
 Size
    2
 Supercell
    0.0 2.715 2.715
    2.715 0.0 2.715
    2.715 2.715 0.0
 AtomData:  id type cartes_x cartes_y cartes_z fx fy fz
    1 0 0.0 0.0 0.0 0.01 -0.02 0.0
    2 0 1.3575 1.3575 1.3575 -0.01 0.02 0.0
 Energy
    -10.8421
 PlusStress: xx yy zz yz xz xy
    0.1 0.1 0.1 0.0 0.0 0.0
 Feature EFS_by VASP
END_CFG
"""
CONFIG = """name: mine
functional: PBE
elements: [Si]
summary: a potential
cutoff_a: 5.0
sources:
  - kind: mlearn
    element: Si
    weight: 0.5
stages:
  - kind: project
  - kind: lbfgs
    rounds: 2
crystals:
  - {symbol: Si, prototype: diamond, a: 5.43}
"""
BANDS = """nqpoint: 2
npath: 1
phonon:
- q-position: [0.0, 0.0, 0.0]
  distance: 0.0
  band:
  - frequency: 0.0
  - frequency: 0.0
  - frequency: 0.0
- q-position: [0.5, 0.0, 0.0]
  distance: 0.1
  band:
  - frequency: 3.0
  - frequency: 3.0
  - frequency: 6.0
lattice:
- [0.0, 1.8, 1.8]
- [1.8, 0.0, 1.8]
- [1.8, 1.8, 0.0]
points:
- symbol: Cu
  coordinates: [0.0, 0.0, 0.0]
  mass: 63.546
"""


def _poscar(*, comment: str = "Si", scale: str = "1.0", names: str = "Si\n", selective: str = "", mode: str) -> str:
    rows = "0 0 0 T T F\n0.25 0.25 0.25 T T T" if selective else "0 0 0\n0.25 0.25 0.25"
    return _POSCAR.format(
        comment=comment, scale=scale, names=names, counts="2", selective=selective, mode=mode, rows=rows
    )


def _ase(atoms: Atoms, fmt: str) -> str:
    out = io.StringIO()
    write(out, atoms, format=fmt)
    return out.getvalue()


@cache
def structures() -> Mapping[str, tuple[str, bytes]]:
    """File name and content by kind: the formats that are read and some that are not."""
    si, nacl = bulk("Si", "diamond", 5.43), sample("nacl").atoms()
    zno = sample("zno").atoms() if "zno" in _samples() else bulk("ZnO", "wurtzite", a=3.25, c=5.2)
    made = Structure(Lattice(np.asarray(zno.cell)), zno.get_chemical_symbols(), zno.get_scaled_positions())
    own = {"symbols": ["Si", "Si"], "cell_a": si.cell.tolist(), "positions_a": si.positions.tolist()}
    texts = {
        "cif": ("si.cif", write_structure(si, "cif")),
        "cif symmetry": ("zno.cif", str(CifWriter(made, symprec=1e-3))),
        "cif minimal": ("nacl.cif", MINIMAL_CIF),
        "poscar": ("POSCAR", _poscar(mode="Direct")),
        "poscar cartesian": ("CONTCAR", _poscar(mode="Cartesian", scale="-40.0", selective="Selective\n")),
        "poscar old": ("POSCAR", _poscar(mode="Direct", names="")),
        "extxyz": ("nacl.xyz", _ase(nacl, "extxyz")),
        "extxyz frames": ("run.extxyz", _ase(si, "extxyz") * 3),
        "pymatgen": ("zno.json", json.dumps(made.as_dict())),
        "ase json": ("si.json", _ase(si, "json")),
        "own json": ("relaxed.json", json.dumps({"crystal": own, "energy_ev": -10.8})),
        "xsf": ("si.xsf", _ase(si, "xsf")),
        "lammps": ("si.data", _ase(si, "lammps-data")),
        "gen": ("si.gen", _ase(si, "gen")),
        "espresso": ("si.in", "&control\n/\nATOMIC_POSITIONS crystal\nSi 0 0 0\nSi 0.25 0.25 0.25\n"),
        "pdb": ("si.pdb", _ase(si, "proteindatabank")),
    }
    texts |= {f"of others: {kind}": (f"{kind}.txt", text) for kind, text in CSCL.items()}
    texts |= {f"of others: {name}": (name, text) for name, text in WHOLE.items()}
    return {kind: (name, text.encode()) for kind, (name, text) in texts.items()}


def _samples() -> set[str]:
    from sus2.structures import samples

    return {s.key for s in samples()}


@cache
def potential() -> bytes:
    """An `.mtp` file of silicon."""
    return format_mtp(random_spec(1)).encode()


@cache
def card() -> bytes:
    """A card with every kind of value."""
    return (
        Card(
            name="mine",
            functional="PBE",
            elements=("Si",),
            summary="x",
            errors={"energy_mae_mev_per_atom": 1.0},
            properties={"Si": {"a0_a": 5.43}},
            reference_energies_ev={"Si": -5.4},
            shortest_distances_a={"Si-Si": 2.0},
            repulsion=(0.3, 0.6),
            limits="none",
        )
        .model_dump_json(indent=1)
        .encode()
    )


@cache
def training() -> Mapping[str, tuple[str, bytes]]:
    """Labelled sets by kind."""
    si = bulk("Si", "diamond", 5.43)
    xyz = _ase(si, "extxyz").splitlines()
    rows = "".join(f"{line} 0.01 0.0 -0.01\n" for line in xyz[2:])
    header = xyz[1].replace("pos:R:3", "pos:R:3:forces:R:3") + ' energy=-10.84 stress="0 0 0 0 0 0 0 0 0"'
    made = Structure(Lattice(np.asarray(si.cell)), ["Si", "Si"], si.get_scaled_positions()).as_dict()
    entry = {
        "structure": made,
        "group": "bulk",
        "num_atoms": 2,
        "outputs": {"energy": -10.8, "forces": [[0.0] * 3] * 2, "virial_stress": [1.0] * 6},
    }
    return {
        "cfg": ("train.cfg", (CFG * 2).encode()),
        "extxyz": ("train.extxyz", f"{xyz[0]}\n{header}\n{rows}".encode()),
        "json": ("train.json", json.dumps([entry]).encode()),
        "ase": ("train.json", _ase(si, "json").encode()),
    }


@cache
def result() -> bytes:
    """A result as the store keeps it."""
    volumes = np.linspace(36.0, 44.0, 9)
    packed = archive.pack({"fit": fit_eos(volumes, 0.01 * (volumes - 40.0) ** 2 - 10.0), "atoms": bulk("Si"), "x": 1.5})
    out = io.BytesIO()
    # Without the time of day in it, so that the same damage makes the same file.
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name))
    return out.getvalue()


@cache
def references() -> Mapping[str, tuple[str, bytes]]:
    """What a user may put beside a potential."""
    curve = "".join(f"{v:.2f} {0.01 * (v - 40.0) ** 2 - 10.8:.5f}\n" for v in np.linspace(36.0, 44.0, 9))
    matrix = np.diag([150.0, 150.0, 150.0, 75.0, 75.0, 75.0]) + np.pad(60.0 * (1 - np.eye(3)), (0, 3))
    table = "\n".join(" ".join(f"{x:.1f}" for x in row) for row in matrix)
    return {
        "bands": ("band.yaml", BANDS.encode()),
        "energies": ("ev.dat", curve.encode()),
        "elastic": ("c.dat", table.encode()),
    }
