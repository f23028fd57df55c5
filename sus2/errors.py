"""Every error that a user may meet: one class per kind, one clear sentence per error."""


def printable(text: object, limit: int = 120) -> str:
    """What a file or another library says, fit for a sentence: one line, printable, at most limit characters."""
    line = " ".join(str(text)[: 20 * limit].split())
    line = "".join(c for c in line if c.isprintable()).removeprefix("Value error, ")  # pydantic's own words
    return line if len(line) <= limit else line[: limit - 3] + "..."


def counted(count: int, noun: str) -> str:
    """How many of something, as 1 crystal or 2,400 crystals."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


class Sus2Error(Exception):
    """Base class: its message is one sentence that says what is wrong and what to do."""


class PotentialFileError(Sus2Error):
    """A potential file or card cannot be used; the message names the line or key."""


class GraphError(Sus2Error):
    """A moment graph cannot be built or used as asked."""


class StructureError(Sus2Error):
    """A structure cannot be used as it was given."""


class UnknownElementError(StructureError):
    """A structure has an element that the potential does not cover."""


class ConvergenceError(Sus2Error):
    """A relaxation or fit did not converge, so its result must not be used."""


class FitError(Sus2Error):
    """A fit has too few points or no physical solution."""


class DataError(Sus2Error):
    """Training or reference data are unusable; the message names the item."""


class EnergyScaleError(Sus2Error):
    """Energies on different scales (functionals) were to be subtracted."""


class StoreError(Sus2Error):
    """The store of results cannot be read or written."""


class WorkerLostError(Sus2Error):
    """The process of a calculation ended before the calculation did."""


class CancelledError(Sus2Error):
    """The user stopped the calculation."""
