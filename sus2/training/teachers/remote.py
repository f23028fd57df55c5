"""Teachers that need packages of their own, behind the interface of our potentials.

A worker process in the teachers' environment (`sus2 data setup`, or the Python that SUS2_TEACHER_PYTHON names) answers
through pipes and stays up while structures are labelled. Weights lie in `teachers/` of the folder that SUS2_SHARED
names, or in the folder that SUS2_TEACHERS names.
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from sus2.errors import DataError, Sus2Error, UnknownElementError, printable
from sus2.potential.calculator import EvaluationCalculator
from sus2.potential.evaluation import Evaluation
from sus2.processes import end_process
from sus2.structures import elements_of, to_atoms
from sus2.training.data.reference_sets import shared_root
from sus2.training.teachers.environment import teacher_python

if TYPE_CHECKING:
    from pymatgen.core import Structure

WORKER: Final = Path(__file__).with_name("pipe_worker.py")
FOLDER_VARIABLE: Final = "SUS2_TEACHERS"
# H to Bi without those that radioactive samples alone have, Th to Pu where the model has them.
_ALL: Final = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y "
    "Zr Nb Mo "
    "Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt "
    "Au Hg Tl "
    "Pb Bi Ac Th Pa U Np Pu"
)


@dataclass(frozen=True)
class KnownTeacher:
    """A teacher that a worker process runs.

    Attributes
    ----------
    name
        What it is asked for by.
    kind
        How pipe_worker makes it.
    weights
        (functional, file or folder below the folder of teachers) for each functional that it has.
    models
        (functional, name of the weights that lie in its package), where some do.
    package
        What is imported in the teachers' environment.
    licence
        Of the weights.
    source
        Where it was published, and its level of theory.
    errors
        What is known to be wrong with it, for the card.
    get
        How to get its weights.
    """

    name: str
    kind: str
    weights: tuple[tuple[str, str], ...]
    licence: str
    source: str
    errors: str
    get: str
    models: tuple[tuple[str, str], ...] = ()
    package: str = ""

    @property
    def functionals(self) -> tuple[str, ...]:
        """Those that it has."""
        return tuple(f for f, _ in self.weights or self.models)

    def sources(self) -> dict[str, str]:
        """Its weights by functional: files where they are there, else names of those in its package.

        Returns
        -------
        dict
            What pipe_worker takes.

        Raises
        ------
        DataError
            There are none; the message says how to get them.
        """
        own = os.environ.get(FOLDER_VARIABLE)
        root = Path(own) if own else shared_root() / "teachers"
        # Nequix keeps what it has fetched here, under the name without "torch-".
        fetched = Path.home() / ".cache" / "nequix" / "models"
        found: dict[str, str] = {}
        for functional, name in self.weights:
            places = [root / name, fetched / Path(name).name.removeprefix("torch-")]
            there = next((p for p in places if p.exists()), None)
            if there is not None:
                found[functional] = str(there)
        if self.weights and len(found) == len(self.weights):
            return found
        if self.models and _in_environment(self.package):
            return dict(self.models)
        if not self.weights:
            raise DataError(f"{self.name} is not in the teachers' environment: {self.get}.")
        lost = next(root / name for functional, name in self.weights if functional not in found)
        raise DataError(
            f"The weights of {self.name} are not at {lost}: {self.get}, or name their folder with {FOLDER_VARIABLE}."
        )

    def missing(self) -> str:
        """Why it cannot be used here, one sentence; empty where it can."""
        try:
            teacher_python()
        except DataError:
            return f"{self.name} is not installed: {self.get}."
        try:
            self.sources()
        except DataError as error:
            return str(error)
        return ""


def _in_environment(package: str) -> bool:
    """Whether the teachers' environment has a package."""
    python = teacher_python()
    if str(python) == sys.executable:
        return importlib.util.find_spec(package) is not None
    folder = python.parent.parent
    return (
        any(folder.glob(f"lib/python3*/site-packages/{package}")) or (folder / "Lib/site-packages" / package).is_dir()
    )


_NEQUIX: Final = (
    "Nequix, Koker et al., arXiv 2508.16067 and 2601.07742; PBE, with +U for oxides and fluorides of V to W"
)
_GET_NEQUIX: Final = (
    "'make app TEACHER=nequix' or 'sus2 data setup --teacher nequix' installs it; its weights are fetched by the "
    "package nequix[torch], with nequix.calculator.from_pretrained('{}', backend='torch', use_kernel=False)"
)
TEACHERS: Final = {
    t.name: t
    for t in (
        KnownTeacher(
            "nequix-omat-1",
            "nequix",
            (("PBE", "nequix/torch-nequix-omat-1.pt"),),
            "MIT",
            _NEQUIX,
            "Against PBE: bulk moduli within 8.5 GPa, shear moduli within 6.9 GPa, optical modes within 3 %; "
            "weak for V and "
            "Nb (C44), Ti (bulk modulus 30 % low) and Fe (58 % high).",
            _GET_NEQUIX.format("nequix-omat-1"),
        ),
        KnownTeacher(
            "nequix-oam-1-pft",
            "nequix",
            (("PBE", "nequix/torch-nequix-oam-1-pft.pt"),),
            "MIT",
            _NEQUIX,
            "Against PBE: bulk moduli within 7.6 GPa, shear moduli within 8.5 GPa, optical modes within 2.8 %; "
            "the bulk "
            "modulus of diamond is 32 % too high.",
            _GET_NEQUIX.format("nequix-oam-1-pft"),
        ),
        KnownTeacher(
            "sevennet-mf-0",
            "sevennet",
            (("PBE", "sevennet-mf-0/7net-mf-0-stripped.pth"), ("r2SCAN", "sevennet-mf-0/7net-mf-0-stripped.pth")),
            "MIT",
            "SevenNet-MF-0, Kim et al., J. Am. Chem. Soc. 147, 1042 (2025)",
            "Lattice constants within 0.3 % (PBE) and 0.2 % (r2SCAN); shear moduli are half of what they should "
            "be; bcc K "
            "has no minimum in r2SCAN.",
            "'make app TEACHER=sevennet' or 'sus2 data setup --teacher sevennet' installs it with its weights",
            (("PBE", "7net-mf-0"), ("r2SCAN", "7net-mf-0")),
            "sevenn",
        ),
        KnownTeacher(
            "chgnet",
            "chgnet",
            (),
            "BSD-3-Clause",
            "CHGNet 0.3.0 (PBE with +U and corrections of the Materials Project) and its r2SCAN model, Deng et al., "
            "Nat. Mach. Intell. 5, 1031 (2023)",
            "Too soft: forces, moduli and frequencies are too small on the whole (Deng et al., npj Comput. Mater. "
            "11, 9, 2025).",
            "'make app TEACHER=chgnet' or 'sus2 data setup --teacher chgnet' installs it with its weights",
            (("PBE", "0.3.0"), ("r2SCAN", "r2scan")),
            "chgnet",
        ),
        KnownTeacher(
            "tensornet-matpes",
            "tensornet",
            (("PBE", "TensorNet-MatPES-PBE-v2025.1-PES"), ("r2SCAN", "TensorNet-MatPES-r2SCAN-v2025.1-PES")),
            "BSD-3-Clause",
            "TensorNet-MatPES v2025.1, Kaplan et al., arXiv 2503.04070",
            "Against PBE: shear moduli 19 % too small in the median, optical modes 13 % off, bulk moduli 9 % "
            "too small; "
            "second derivatives jump as shells of neighbours cross its cutoff of 5 A.",
            "'sus2 data setup' installs what it needs, MatPES has its weights",
        ),
    )
}


class _Link:
    """A worker process and its pipes; the functionals of one teacher share it."""

    def __init__(self, known: KnownTeacher) -> None:
        self.known = known
        weights = [f"--weights={functional}={path}" for functional, path in known.sources().items()]
        self.process = subprocess.Popen(
            [str(teacher_python()), str(WORKER), known.kind, *weights],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
        )

    def ask(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Labels of one batch."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        content = buffer.getvalue()
        try:
            self.process.stdin.write(len(content).to_bytes(8, "big") + content)
            self.process.stdin.flush()
            head = self.process.stdout.read(8)
            raw = self.process.stdout.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
        except (OSError, ValueError):
            raw = b""
        if not raw:
            raise Sus2Error(
                f"The teacher {self.known.name} ended without an answer; see whether its environment works with "
                "'sus2 data check-teachers'."
            )
        with np.load(io.BytesIO(raw), allow_pickle=False) as data:
            if "error" in data.files:
                raise Sus2Error(f"The teacher {self.known.name} failed: {printable(data['error'], 300)}.")
            return {k: data[k] for k in data.files}

    def close(self) -> None:
        """End the process, whatever it does."""
        end_process(self.process)


@dataclass(frozen=True, eq=False)
class RemoteTeacher:
    """One functional of a teacher in a worker process; it meets sus2.potential.evaluation.Calculates.

    Attributes
    ----------
    name
        Of the teacher.
    functional
        Which one.
    elements
        Chemical symbols that it covers.
    known
        What is known of it.
    link
        To the process, which all functionals of a teacher share.
    """

    name: str
    functional: str
    elements: tuple[str, ...]
    known: KnownTeacher
    link: _Link

    def evaluate(self, structures: Sequence[Atoms | Structure]) -> list[Evaluation]:
        """Energy, forces and stress of periodic structures; site energies are equal shares.

        Parameters
        ----------
        structures
            Crystals, periodic in three directions.

        Returns
        -------
        list of Evaluation
            In their order.

        Raises
        ------
        UnknownElementError
            An element that it does not cover.
        Sus2Error
            A structure is not periodic, or the teacher fails.
        """
        atoms = [to_atoms(s) for s in structures]
        for a in atoms:
            unknown = sorted(set(elements_of(a)) - set(self.elements))
            if unknown:
                raise UnknownElementError(f"{self.name} does not cover {', '.join(unknown)}; choose another teacher.")
            if not a.pbc.all():
                raise Sus2Error(f"{self.name} labels periodic crystals alone.")
        if not atoms:
            return []
        sizes = [len(a) for a in atoms]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        found = self.link.ask(
            {
                "numbers": np.concatenate([a.numbers for a in atoms]),
                "positions": np.concatenate([a.positions for a in atoms]),
                "cells": np.array([a.cell.array for a in atoms]),
                "offsets": offsets,
                "functional": np.array(self.functional),
            }
        )
        return [
            Evaluation(float(e), np.full(n, e / n), found["forces"][s : s + n], stress)
            for e, n, s, stress in zip(found["energy"], sizes, offsets, found["stress"], strict=False)
        ]

    def calculator(self) -> Calculator:
        """An ASE calculator that asks it for one structure at a time."""
        return RemoteCalculator(self)

    def close(self) -> None:
        """End its process."""
        self.link.close()


class RemoteCalculator(EvaluationCalculator):
    """The ASE calculator of a teacher, which gives no site energies."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]


def remote_teacher(name: str) -> dict[str, RemoteTeacher]:
    """The functionals of a known teacher, behind one worker process.

    Parameters
    ----------
    name
        One of TEACHERS.

    Returns
    -------
    dict
        A teacher for each functional; closing one ends the process of all.

    Raises
    ------
    DataError
        Its environment or its weights are not there; the message says how to get them.
    """
    known = TEACHERS[name]
    link = _Link(known)
    return {f: RemoteTeacher(name, f, tuple(_ALL.split()), known, link) for f in known.functionals}
