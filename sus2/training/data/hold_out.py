"""What the second set keeps apart from training: compositions, whole structure types, and crystals of benchmarks.

A composition is in one split in whatever structure. Elements and textbook compounds always train: users bring these
first. Dimers train whatever their composition, so that every pair of elements has a wall.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.formula import Formula

from sus2.training.data.dataset import reduced_formula
from sus2.training.data.reference_sets import binary_crystals, wbm_crystals

# Structure types that no training structure has, as far as prototypes are filled here; others by a hash of their name.
HELD_OUT_TYPES: Final = ("C11b", "K2NiF4", "chalcopyrite", "A15")
TYPE_SHARE: Final = 0.07
TEST_SHARE, VAL_SHARE, WBM_TEST_SHARE = 0.08, 0.04, 0.16
MODULI_CRYSTALS: Final = 200
_SEED: Final = 17

TEXTBOOK_BINARIES: Final = """
LiH LiF LiCl LiBr LiI NaF NaCl NaBr NaI KF KCl KBr KI RbF RbCl RbBr RbI CsF CsCl CsBr CsI AgF AgCl AgBr CuCl
CuBr CuI TlCl TlBr MgO CaO SrO BaO BeO MgS CaS SrS BaS MgSe CaSe SrSe BaSe CaTe SrTe BaTe ZnO ZnS ZnSe ZnTe CdO
CdS CdSe CdTe HgS HgSe HgTe BN BP BAs AlN AlP AlAs AlSb GaN GaP GaAs GaSb InN InP InAs InSb SiC GeC TiC ZrC HfC
VC NbC TaC TiN ZrN HfN VN NbN TaN CrN MoN ScN YN LaN PbS PbSe PbTe SnS SnSe SnTe GeTe NiO CoO MnO FeO TiO VO NbO
CuO ScP YP ThC UC UN ThN CeN CoAl NiAl FeAl TiAl CuZn NiTi CuPd MgAg BeCu AuCd FeTi CoTi RuAl PdIn LiAl NaTl LaS
CeS EuO EuS GdN UO ThS
"""
TEXTBOOK_OTHERS: Final = """
CaF2 SrF2 BaF2 CdF2 PbF2 ZrO2 HfO2 CeO2 ThO2 UO2 Li2O Na2O K2O Li2S Na2S K2S Rb2S Mg2Si Mg2Ge Mg2Sn TiO2 SnO2
GeO2 SiO2 RuO2 IrO2 MnO2 VO2 NbO2 MgF2 ZnF2 NiF2 MnF2 FeF2 CoF2 MgCl2 CdCl2 CdI2 Al2O3 Ga2O3 In2O3 Sc2O3 Y2O3
La2O3 Cr2O3 Fe2O3 Ti2O3 V2O3 B2O3 MoS2 WS2 MoSe2 WSe2 TiS2 TaS2 NbS2 ZrS2 HfS2 SnS2 MgB2 TiB2 ZrB2 AlB2 Si3N4
Li3N WO3 ReO3 AlF3 ScF3 SrTiO3 BaTiO3 CaTiO3 KTaO3 KNbO3 NaNbO3 PbTiO3 LaAlO3 LaMnO3 KMgF3 KZnF3 NaMgF3 MgAl2O4
ZnAl2O4 MgCr2O4 Fe3O4 LiCoO2 LiNiO2 LiFeO2 NaCoO2 LiAlO2 CuFeS2 CuInSe2 CuGaS2 ZnSnP2 Bi2Te3 Bi2Se3 Sb2Te3 Ni3Al
Cu3Au Al3Ti Nb3Sn V3Si MgCu2 MgZn2 FeS2 FeSi CoSi MnSi TiNiSn ZrNiSn Fe2VAl Cu2MnAl CaCO3 MgCO3 LaOCl BiOCl LaOF
"""


def _key(formula: str) -> str:
    return reduced_formula(atomic_numbers[s] for s in Formula(formula))


TEXTBOOK: Final = frozenset(_key(f) for f in (TEXTBOOK_BINARIES + TEXTBOOK_OTHERS).split())


@dataclass(frozen=True)
class HoldOut:
    """Compositions kept for moduli, and those of the WBM crystals, of which more are held out than of others."""

    moduli: frozenset[str]
    wbm: frozenset[str]

    def split(self, numbers: Sequence[int], structure_type: str = "", *, substituted: bool = False) -> str:
        """The split of a crystal: train, val, test, type or mp.

        Parameters
        ----------
        numbers
            Atomic numbers of the cell.
        structure_type
            The prototype that it was built from; empty if unknown.
        substituted
            Whether the type is one of many that were filled by substitution, of which a share is held out.

        Returns
        -------
        str
            The name of the split.
        """
        formula = reduced_formula(numbers)
        if len(set(numbers)) == 1 or formula in TEXTBOOK:
            return "train"
        if formula in self.moduli:
            return "mp"
        share = _share("second " + formula)
        if share < (WBM_TEST_SHARE if formula in self.wbm else TEST_SHARE):
            return "test"
        if share > 1.0 - VAL_SHARE:
            return "val"
        held = structure_type in HELD_OUT_TYPES or (substituted and _share("type " + structure_type) < TYPE_SHARE)
        return "type" if held else "train"


def _share(text: str) -> float:
    """A number from 0 to 1 that follows from the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") / 2**32


@lru_cache(maxsize=2)
def moduli_names() -> tuple[str, ...]:
    """The crystals of the Materials Project whose moduli judge a potential: drawn at random, no textbook compounds.

    Returns
    -------
    tuple of str
        Their names in the Materials Project.
    """
    crystals = binary_crystals()
    order = np.random.default_rng(_SEED).permutation(len(crystals))
    found = [crystals[k][0] for k in order.tolist() if reduced_formula(crystals[k][1].numbers) not in TEXTBOOK]
    return tuple(found[:MODULI_CRYSTALS])


@lru_cache(maxsize=2)
def hold_out() -> HoldOut:
    """What is held out, from the shared data.

    Returns
    -------
    HoldOut
        The rule.
    """
    names = set(moduli_names())
    moduli = {reduced_formula(a.numbers) for name, a, _, _ in binary_crystals() if name in names}
    return HoldOut(frozenset(moduli), frozenset(reduced_formula(a.numbers) for _, a in wbm_crystals()))


def held_out_wbm() -> list[tuple[str, Atoms]]:
    """The WBM crystals of the test split.

    Returns
    -------
    list of (str, Atoms)
        Name and PBE geometry.
    """
    rule = hold_out()
    return [(name, atoms) for name, atoms in wbm_crystals() if rule.split(atoms.numbers.tolist()) == "test"]


def binaries_held_out_first() -> tuple[list[tuple[str, Atoms, float, float]], frozenset[str]]:
    """The binary crystals of the Materials Project in the order in which they judge a potential.

    Returns
    -------
    tuple
        (name, crystal, K and G in GPa) of each: those that moduli_names draws, others of compositions that were not
        trained on, then the rest at random; and the names of the first two groups.
    """
    crystals = binary_crystals()
    drawn, rule = moduli_names(), hold_out()
    by_name = {c[0]: c for c in crystals}
    shuffled = np.random.default_rng(0).permutation(len(crystals)).tolist()
    order = [crystals[k] for k in shuffled if crystals[k][0] not in drawn]
    unseen = [c for c in order if rule.split(c[1].numbers.tolist()) != "train"]
    held = [by_name[n] for n in drawn] + unseen
    names = frozenset(c[0] for c in held)
    return held + [c for c in order if c[0] not in names], names
