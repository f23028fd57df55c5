"""`sus2 export`: a potential's weights as a text file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sus2.errors import Sus2Error


def export(
    model: Annotated[str, typer.Argument(help="Name of a potential, or a .sus2 or .mtp file with its card beside it.")],
    target: Annotated[Path, typer.Argument(help="The .mtp file to write; the card is written beside it.")],
) -> None:
    """Write a potential as an .mtp text file with its card, for reading or for another program.

    Where all elements share a readout, the envelope is quadratic and no amplitudes are there, SUS2-MLIP reads the file.
    """
    import hashlib

    from sus2.potential.card import write_card
    from sus2.potential.mtp import format_mtp
    from sus2.registry.load import load_moments

    if target.suffix != ".mtp":
        raise Sus2Error(f"{target.name}: give the file the ending .mtp.")
    potential = load_moments(model)
    if potential.spec.alpha is None:
        raise Sus2Error(f"{potential.name} is a moment tensor potential of MLIP already; its file is what to copy.")
    text = format_mtp(potential.spec)
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        target.write_text(text, encoding="utf-8")
        card = potential.card.model_copy(update={"name": target.stem, "sha256": digest})
        write_card(card, target.with_suffix(".json"))
    except OSError as error:
        raise Sus2Error(f"{target.name}: cannot be written ({error.strerror}); choose another place.") from None
    form = "this package alone reads it" if potential.spec.extended else "SUS2-MLIP reads it too"
    typer.echo(f"{target.name} and {target.stem}.json: {potential.name}; {form}.")
