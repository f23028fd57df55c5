"""Which potential a file holds, by its content, and the potential itself.

Only text and our own compact form (sus2.potential.mtp.compact) are read. Pickles, torch and other binary files of
others can run code when they are loaded, so they are refused here; whoever runs the server adds them as plug-ins
(sus2.registry.others.plugins).
"""

from __future__ import annotations

import re
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sus2.errors import PotentialFileError
from sus2.potential.card import Card
from sus2.potential.mtp import ModelSpec, parse_mtp
from sus2.potential.mtp.compact import MAGIC, SUFFIX, parse_compact

if TYPE_CHECKING:
    import torch

    from sus2.potential.formats.site_potential import SitePotential
    from sus2.potential.potential import Potential

SUFFIXES: Final = (".mtp", SUFFIX, ".almtp", ".nep", ".txt", ".alloy", ".fs", ".setfl", ".tersoff", ".sw")
"""Endings of the files that are read; what a file holds is decided by its content."""

READ: Final = (
    "SUS2-MLIP (.mtp, .sus2), moment tensor potentials of MLIP-2 and MLIP-3 (.mtp, .almtp), NEP 3 and 4 of GPUMD "
    "(nep.txt), and LAMMPS' eam/alloy, eam/fs, tersoff and sw"
)
HOW_TO_ADD: Final = (
    "files that can run code are never loaded from an upload; whoever runs this server can add the model in the table "
    "[potentials] of its settings"
)
_SPHERICAL: Final = (
    "this is an SUS2-SH potential, whose products of spherical harmonics are weighted by coupling coefficients; the "
    "moments of this program have whole-number weights, so it cannot be read: train the same data as SUS2-MLIP, or add "
    "a calculator of SUS2-SH as a plug-in"
)
_SPHERICAL_KEY: Final = re.compile(r"^[ \t]*(sus2_)?sh_\w+ *=", re.MULTILINE)
_BINARY: Final = ((b"PK\x03\x04", "a torch or zip file"), (b"\x80", "a pickle"), (b"\x89HDF", "an HDF5 file"))
_STATE: Final = b"#MVS_v"  # binary state of active learning that MLIP appends to a potential


def text_of(raw: bytes, name: str) -> str:
    """The text of a file.

    Parameters
    ----------
    raw
        The content of the file.
    name
        Its name in errors.

    Returns
    -------
    str
        The text, without the state of active learning that MLIP appends.

    Raises
    ------
    PotentialFileError
        The file is no text; the sentence says what it is and what to do.
    """
    for start, kind in _BINARY:
        if raw.startswith(start):
            raise PotentialFileError(f"{name} is {kind}: {HOW_TO_ADD}.")
    try:
        text = raw.partition(_STATE)[0].decode("utf-8")
    except UnicodeDecodeError:
        raise PotentialFileError(f"{name}: not a text file, so not a potential that can be read ({READ}).") from None
    if "\x00" in text:
        raise PotentialFileError(f"{name}: not a text file, so not a potential that can be read ({READ}).")
    return text


def parse(raw: bytes, name: str) -> Any:
    """The content of a file of any known format, told by its first words.

    Parameters
    ----------
    raw
        The content of the file.
    name
        Its name in errors.

    Returns
    -------
    ModelSpec, MomentTensorSpec or SiteEnergies
        Two kinds of ours (sus2.potential.mtp, sus2.potential.formats.moment_tensor) or equations of site energies.

    Raises
    ------
    PotentialFileError
        One sentence: of no known format, or damaged.
    """
    if raw.startswith(MAGIC) and _first_member(raw).endswith(b".npy"):
        return parse_compact(raw, source=name)
    text = text_of(raw, name)
    first = next(StringIO(text.lstrip(), newline=None), "").split() or [""]
    if _is_spherical(first[0], text):
        raise PotentialFileError(f"{name}: {_SPHERICAL}.")
    if first[0] == "MTP":
        if not is_moment_tensor(text):
            return parse_mtp(text, source=name)
        from sus2.potential.formats.moment_tensor import parse_moment_tensor

        return parse_moment_tensor(text, source=name)
    # Not before here: these compute with torch, which our own files do not wait for.
    from sus2.potential.formats import embedded_atom, nep, three_body

    if first[0].startswith("nep"):
        return nep.parse_nep(text, source=name)
    if _looks_like_setfl(list(islice(StringIO(text, newline=None), 6))):
        return embedded_atom.parse_setfl(text, source=name)
    if three_body.entry_length(text) in (len(three_body.TERSOFF), len(three_body.STILLINGER_WEBER)):
        return three_body.parse_three_body(text, source=name)
    raise PotentialFileError(f"{name}: no potential that can be read; {READ} are.")


def _is_spherical(first: str, text: str) -> bool:
    """Whether this is a file of SUS2-SH: it begins as MTP too, and has keys such as sh_l_max and sh_products."""
    return first.startswith("SUS2-SH") or (first == "MTP" and _SPHERICAL_KEY.search(text) is not None)


def is_moment_tensor(text: str) -> bool:
    """Tell a moment tensor file of MLIP-2 or MLIP-3 from one of SUS2-MLIP.

    Parameters
    ----------
    text
        The text of the file.

    Returns
    -------
    bool
        Whether it is one of MLIP.
    """
    keys = {line.partition("=")[0].strip() for line in text.splitlines() if "=" in line}
    return text.lstrip().startswith("MTP") and "species_count" in keys and not keys & {"scaling_map", "scal_coeffs"}


def _first_member(raw: bytes) -> bytes:
    """Name of the first member of a zip file: torch's hold pickles, our own arrays alone."""
    return raw[30 : 30 + int.from_bytes(raw[26:28], "little")]


def _looks_like_setfl(lines: list[str]) -> bool:
    if len(lines) < 6:
        return False
    words, numbers = lines[3].split(), lines[4].split()
    return words[:1] == [str(len(words) - 1)] and not words[-1][:1].isdigit() and len(numbers) == 5


def elements_in(content: Any) -> tuple[str, ...] | None:
    """Elements that a file names itself.

    Parameters
    ----------
    content
        What parse returned.

    Returns
    -------
    tuple of str or None
        None where they have to be given.
    """
    return getattr(content, "elements", None)


def described(content: Any) -> str:
    """What a file is, in a few words for its card.

    Parameters
    ----------
    content
        What parse returned.

    Returns
    -------
    str
        Empty for SUS2-MLIP.
    """
    if type(content) is ModelSpec:  # those of MLIP are a subclass, and need torch
        return ""
    from sus2.potential.formats.moment_tensor import MomentTensorSpec

    if isinstance(content, MomentTensorSpec):
        return "A moment tensor potential of MLIP."
    names = {
        "EmbeddedAtom": "An embedded-atom potential of LAMMPS.",
        "Tersoff": "A Tersoff potential of LAMMPS.",
        "StillingerWeber": "A Stillinger-Weber potential of LAMMPS.",
    }
    kind = type(content).__name__
    return names.get(kind) or f"A neuroevolution potential of GPUMD, version {content.version}."


def made(
    content: Any, card: Card, *, device: torch.device | str | None, dtype: torch.dtype | None
) -> Potential | SitePotential:
    """The potential of a parsed file and its card.

    Parameters
    ----------
    content
        What parse returned.
    card
        Its elements are in type order.
    device
        Where a moment potential is computed; the CPU by default, and always for the other formats.
    dtype
        Its arithmetic; float64 by default, and always for the other formats.

    Returns
    -------
    Potential or SitePotential
        A Potential, with exact second derivatives, for the moment potentials; a SitePotential for the others.
    """
    if type(content) is ModelSpec:  # those of MLIP are a subclass, and need torch
        from sus2.potential.potential import Potential

        return Potential(content, card, device=device, dtype=dtype)
    from sus2.potential.formats.moment_tensor import MomentTensorPotential, MomentTensorSpec
    from sus2.potential.formats.site_potential import SitePotential

    if isinstance(content, MomentTensorSpec):
        return MomentTensorPotential(content, card, device=device, dtype=dtype)
    return SitePotential(content, card)
