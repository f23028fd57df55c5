"""What a plug-in says about itself, and the models of others known by name, listed where their packages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, Field


class Plugin(BaseModel):
    """What a potential of others says about itself, and how it is made.

    factory: ``"package:function"``, or a name of sus2.registry.others.adapters such as ``"mace"``. It is called when
    the potential is first used, with `weights` and `device` (where they are given) and the options by name, and returns
    an ASE calculator or anything that meets sus2.potential.evaluation.Calculates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    factory: str = Field(min_length=1, max_length=300)
    functional: str = Field(default="not stated", max_length=200)
    elements: tuple[str, ...] = Field(min_length=1, max_length=118)
    weights: str = ""
    device: str = Field(default="", max_length=40)
    licence: str = "not stated"
    summary: str = ""
    package: str = ""
    """The distribution whose version stands on the card; that of the entry point by default."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    memory_mb_per_atom: float = Field(default=0.0, ge=0.0, le=1e6, allow_inf_nan=False)
    """Memory that one evaluation takes for each atom of a dense crystal, MiB; 0: not known, so it is measured on small
    cells before a large supercell."""


@dataclass(frozen=True)
class KnownModel:
    """A model of others: what installs it, what it was fitted to and where it is described.

    Attributes
    ----------
    name
        Of the model.
    functional
        What it was fitted to.
    package
        The distribution that it needs.
    versions
        Those of the package that give right numbers; empty: all.
    extra
        Optional dependency of this package that installs it, as in sus2[chgnet].
    citation
        Where it is described.
    licence
        Of the model.
    factory
        Name of sus2.registry.others.adapters.
    options
        Arguments of the factory, by name.
    """

    name: str
    functional: str
    package: str
    versions: tuple[str, ...]
    extra: str
    citation: str
    licence: str
    factory: str
    options: tuple[tuple[str, Any], ...]


_CHGNET = "Deng et al., Nat. Mach. Intell. 5, 1031 (2023)"
_MATPES = "Kaplan et al., arXiv:2503.04070 (2025)"
_SEVENNET = "Park et al., J. Chem. Theory Comput. 20, 4857 (2024)"
_SEVENNET_MF = "Kim et al., J. Am. Chem. Soc. 147, 1042 (2025)"
KNOWN: Final[dict[str, KnownModel]] = {
    m.name: m
    for m in (
        KnownModel(
            "chgnet-pbe", "PBE", "chgnet", (), "chgnet", _CHGNET, "BSD-3-Clause", "chgnet", (("model", "0.3.0"),)
        ),
        KnownModel(
            "chgnet-r2scan", "r2SCAN", "chgnet", (), "chgnet", _CHGNET, "BSD-3-Clause", "chgnet", (("model", "r2scan"),)
        ),
        KnownModel("7net-0", "PBE", "sevenn", (), "sevenn", _SEVENNET, "MIT", "sevennet", (("model", "7net-0"),)),
        KnownModel(
            "7net-mf-0-pbe",
            "PBE",
            "sevenn",
            (),
            "sevenn",
            _SEVENNET_MF,
            "MIT",
            "sevennet",
            (("model", "7net-mf-0"), ("modal", "PBE")),
        ),
        KnownModel(
            "7net-mf-0-r2scan",
            "r2SCAN",
            "sevenn",
            (),
            "sevenn",
            _SEVENNET_MF,
            "MIT",
            "sevennet",
            (("model", "7net-mf-0"), ("modal", "R2SCAN")),
        ),
        # matgl 4 loads these files without an error and gives wrong energies.
        KnownModel(
            "tensornet-matpes-pbe",
            "PBE",
            "matgl",
            ("2.0.4",),
            "matgl",
            _MATPES,
            "BSD-3-Clause",
            "tensornet",
            (("model", "TensorNet-MatPES-PBE-v2025.1-PES"),),
        ),
        KnownModel(
            "tensornet-matpes-r2scan",
            "r2SCAN",
            "matgl",
            ("2.0.4",),
            "matgl",
            _MATPES,
            "BSD-3-Clause",
            "tensornet",
            (("model", "TensorNet-MatPES-r2SCAN-v2025.1-PES"),),
        ),
    )
}
# Elements of the training data of all of them, MPtrj and MatPES: 1..94 without those that have no crystal there.
ELEMENTS: Final = tuple(s for s in chemical_symbols[1:95] if s not in ("Po", "At", "Rn", "Fr", "Ra"))


def known() -> list[Plugin]:
    """Those whose packages are installed in a version that gives right numbers."""
    out = []
    for model in KNOWN.values():
        try:
            number = version(model.package)
        except PackageNotFoundError:
            continue
        if not model.versions or number in model.versions:
            out.append(
                Plugin(
                    name=model.name,
                    factory=model.factory,
                    functional=model.functional,
                    elements=ELEMENTS,
                    licence=model.licence,
                    summary=model.citation,
                    package=model.package,
                    options=dict(model.options),
                )
            )
    return out


def missing(name: str) -> str:
    """Say why a known model cannot be used here.

    Parameters
    ----------
    name
        Name of the model.

    Returns
    -------
    str
        One sentence; empty for a model that can be used or is not known.
    """
    model = KNOWN.get(name)
    if model is None:
        return ""
    try:
        number = version(model.package)
    except PackageNotFoundError:
        return f"{name} needs the package {model.package}, which is not installed: pip install 'sus2[{model.extra}]'."
    if model.versions and number not in model.versions:
        return f"{name} needs {model.package} {' or '.join(model.versions)}; version {number} gives wrong energies."
    return ""
