"""The folder of a training run: its configuration, the state after every step, the history."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from sus2.errors import DataError
from sus2.training.fit.config import TrainConfig
from sus2.types import Array


@dataclass(frozen=True, eq=False)
class State:
    """Everything that the next step of a run depends on.

    Attributes
    ----------
    step
        Steps done.
    x
        (size,) parameters.
    best_x
        (size,) those of the lowest validation loss.
    best_loss
        That loss.
    since_best
        Steps since then.
    damping
        Of Levenberg and Marquardt.
    centre
        (size,) of the prior.
    moments
        Of Adam.
    updates
        Of Adam.
    held_out
        (size,) parameters of the last step that had not seen the held-out compositions; empty before their release.
    history
        One row for each step.
    """

    step: int
    x: Array
    best_x: Array
    best_loss: float
    since_best: int
    damping: float
    centre: Array  # where alpha and r0 of a table are pulled to; its size tells the element space
    moments: tuple[Array, Array]
    updates: int
    held_out: Array  # parameters that never saw the held-out compositions, once those are released; else empty
    history: tuple[dict[str, Any], ...]

    @classmethod
    def first(cls, x: Array) -> State:
        """Before the first step, at the parameters (size,)."""
        zero = np.zeros(len(x))
        return cls(0, x, x, float("inf"), 0, 1e-4, x, (zero, zero), 0, np.zeros(0), ())


def claim(folder: Path, config: TrainConfig) -> None:
    """Refuse to continue another configuration's run; write ours.

    Parameters
    ----------
    folder
        Of the run.
    config
        Ours.
    """
    text = config.model_dump_json(indent=1)
    path = folder / "config.json"
    if path.exists() and not _same(path.read_text(encoding="utf-8"), config):
        raise DataError(
            f"The run folder {folder.name} belongs to another configuration; remove it or give the run a new name."
        )
    path.write_text(text, encoding="utf-8")
    (folder / "revision.txt").write_text(git_revision() + "\n", encoding="utf-8")


def _same(text: str, config: TrainConfig) -> bool:
    """Whether a run's file says the same as the configuration, entries that it does not have at their defaults."""
    try:
        return TrainConfig.model_validate_json(text) == config
    except ValidationError:
        return False


def write_state(folder: Path, state: State) -> None:
    """Write the checkpoint of a run, whole or not at all.

    Parameters
    ----------
    folder
        Of the run.
    state
        The checkpoint.
    """
    buffer = io.BytesIO()
    values = asdict(state)
    history = values.pop("history")
    first, second = values.pop("moments")
    np.savez(buffer, first=first, second=second, history=np.array(json.dumps(history)), **values)
    scratch = folder / "state.part"
    scratch.write_bytes(buffer.getvalue())
    os.replace(scratch, folder / "state.npz")


def read_state(folder: Path) -> State | None:
    """The checkpoint of a run.

    Parameters
    ----------
    folder
        Of the run.

    Returns
    -------
    State or None
        None where there is none.

    Raises
    ------
    DataError
        It is damaged.
    """
    path = folder / "state.npz"
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as z:
            return State(
                int(z["step"]),
                z["x"],
                z["best_x"],
                float(z["best_loss"]),
                int(z["since_best"]),
                float(z["damping"]),
                z["centre"],
                (z["first"], z["second"]),
                int(z["updates"]),
                z["held_out"],
                tuple(json.loads(str(z["history"]))),
            )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise DataError(f"The checkpoint of run {folder.name} is damaged; remove state.npz to start again.") from None


def git_revision() -> str:
    """The revision of this checkout.

    Returns
    -------
    str
        With a plus where it has changes; 'unknown' outside a checkout.
    """
    root = Path(__file__).resolve().parents[3]
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip()


def write_history(folder: Path, state: State) -> None:
    """Write the course of the training as history.csv and, drawn, as curves.html.

    Parameters
    ----------
    folder
        Of the run.
    state
        With its history.
    """
    from sus2.figures.studies.training import training_curves

    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(state.history[0]) if state.history else ["step"])
        writer.writeheader()
        writer.writerows(state.history)
    training_curves(history=state.history).write_html(folder / "curves.html", include_plotlyjs=True)
