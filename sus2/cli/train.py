"""`sus2 train`: a configuration file in, weights and their card out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="Configuration, a YAML file such as those in pretrained/.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", "-o", help="Folder of the run. Default: runs/NAME in the cache.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads. Default: all processors.")] = None,
) -> None:
    """Train a potential, or continue an interrupted run."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from sus2.training.fit.config import read_config
    from sus2.training.fit.run import fit

    wanted = read_config(config)
    columns = (TextColumn(wanted.name), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns) as bar:
        task = bar.add_task(wanted.name, total=1.0, now="reading the data")
        result = fit(
            wanted, folder=folder, threads=threads, progress=lambda text, f: bar.update(task, completed=f, now=text)
        )
    for name, errors in result.errors.items():
        typer.echo(f"{name:<22} {errors.line()}")
    typer.echo(f"Weights, card and curves are in {result.folder}.")
