"""`sus2 transfer`, `sus2 ablate` and `sus2 limits`: the studies, row by row. What is measured is not done again."""

from __future__ import annotations

from typing import Annotated

import typer

Updates = Annotated[int, typer.Option(min=10, help="Updates per training.")]
Seeds = Annotated[int, typer.Option(min=1, help="Number of repetitions with different random numbers.")]


def transfer(updates: Updates = 4000, seeds: Seeds = 1) -> None:
    """Study the transfer from PBE to r2SCAN: six methods, the scaling law, and the shifts between the functionals."""
    from sus2.studies.study import Effort
    from sus2.studies.transfer import run_transfer

    run_transfer(Effort(updates), seeds, typer.echo)


def ablate(updates: Updates = 4000, seeds: Seeds = 1) -> None:
    """Study parts of the model one at a time: universal scaling, tanh, scaling maps, element space, graph size."""
    from sus2.studies.ablations import run_ablations
    from sus2.studies.study import Effort

    run_ablations(Effort(updates), seeds, typer.echo)


def limits(updates: Updates = 6000, seeds: Seeds = 1) -> None:
    """Study what limits errors on unknown compositions: how many are known, the size of the model, the labels."""
    from sus2.studies.limits import run_limits

    run_limits(updates, seeds, typer.echo)
