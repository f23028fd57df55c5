"""`sus2 screen`: properties of very many structures into a database, on this computer or a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from sus2.cli.common import AsJson, Elements, progress_bar, settings_of
from sus2.errors import Sus2Error, counted
from sus2.properties.catalogue import catalogue

Files = Annotated[
    list[str],
    typer.Argument(help="Files (extended XYZ with any number of frames, CIF, POSCAR, JSON, zip), folders or patterns."),
]
CONNECT_S = 20


def screen(
    files: Files,
    out: Annotated[str, typer.Option("--out", "-o", help="Database: an SQLite file, or postgresql://user@host/name.")],
    properties: Annotated[
        str, typer.Option("--properties", "-p", help=f"Of {', '.join(catalogue())}, with commas.")
    ] = "eos,elastic",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Name of a potential, or an .mtp file; may be given several times. Default: the recommended one for "
            "each structure.",
        ),
    ] = None,
    elements: Elements = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes. Default: one per core.", min=1, max=1024)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler to use instead, such as tcp://host:8786.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Structures per task. Default: as many as take some seconds.", min=1)
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Repeat calculations that failed.")] = False,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PROPERTY.NAME=VALUE",
            help="Setting of a property's Python function: its name and its value as JSON.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute properties of many structures into a database; the same command continues an interrupted run.

    Exit code 1 where a structure could not be read or computed, 130 after Ctrl+C.
    """
    from sus2.screening.start import screen as run

    names = [p.strip() for p in properties.split(",") if p.strip()]
    settings = _settings(setting)
    potentials = None if not model else [_potential(m, elements) for m in model]
    stopped = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _executor(scheduler) as executor, progress_bar("screening") as progress:
            summary = run(
                files,
                potentials,
                properties=names,
                out=out,
                settings=settings,
                executor=executor,
                workers=workers or _cores(),
                batch=batch,
                retry_failed=retry_failed,
                progress=progress,
                on_outcome=_print_line if as_json else None,
            )
    except KeyboardInterrupt:
        typer.echo("Stopped; what was finished is kept: the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, stopped)
    if as_json:
        typer.echo(json.dumps({"summary": summary.to_dict()}))
    else:
        _print_summary(summary)
    if not summary.complete:
        raise typer.Exit(1)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settings(given: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    known = catalogue()
    out: dict[str, dict[str, Any]] = {}
    for item in given or ():
        name, dot, rest = item.partition(".")
        if not dot or name not in known:
            raise Sus2Error(f"--set {item}: give PROPERTY.NAME=VALUE with a property of {', '.join(known)}.")
        out.setdefault(name, {}).update(settings_of(known[name].compute, {}, [rest]))
    return out


def _potential(model: str, elements: str | None) -> Any:
    """The reference to a shipped model, or to an .mtp file with its bytes, which workers need not have."""
    import sus2
    from sus2.registry.reference import PotentialRef

    potential = sus2.load(model, elements=elements.replace(",", " ").split() if elements else None)
    mine = getattr(potential, "card", None)
    if mine is None:
        raise Sus2Error(f"{model} has no card, so a run over many crystals cannot name it.")
    if any(card.identity == mine.identity for card in sus2.models()):
        return PotentialRef.of(mine)
    try:
        with open(model, "rb") as file:
            return PotentialRef.of(mine, file.read())
    except OSError as error:
        raise Sus2Error(f"'{model}' cannot be read ({error.strerror}).") from None


@contextmanager
def _executor(scheduler: str | None) -> Iterator[Executor | None]:
    """The executor of a Dask cluster; None for processes of this computer."""
    if scheduler is None:
        yield None
        return
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise Sus2Error("--scheduler needs the package distributed: pip install 'sus2[dask]'.") from None
    _reach(scheduler)
    try:
        client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError):
        raise Sus2Error(f"What answers at {scheduler} is not a Dask scheduler of a compatible release.") from None
    try:
        if not client.nthreads():
            raise Sus2Error(f"The scheduler at {scheduler} has no workers; start some (dask worker {scheduler}).")
        yield client.get_executor(pure=False)
    finally:
        client.close(timeout=2)


def _reach(scheduler: str) -> None:
    """Raise Sus2Error unless something listens at tcp://host:port; the client itself takes a minute to say so."""
    parts = urlsplit(scheduler)
    try:
        if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
            raise ValueError
        socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_S).close()
    except (OSError, ValueError):
        raise Sus2Error(
            f"No Dask scheduler answers at {scheduler}; start one (dask scheduler), and give tcp://host:port."
        ) from None


def _print_line(outcome: Any, names: Sequence[str]) -> None:
    line: dict[str, Any] = {
        "structure": names[0] if names else outcome.structure,
        "content": outcome.structure,
        "potential": outcome.potential,
        "property": outcome.property,
    }
    line |= {**outcome.numbers, **outcome.words} if outcome.ok else {"error": outcome.reason}
    typer.echo(json.dumps(line))


def _print_summary(s: Any) -> None:
    typer.echo(f"{counted(s.structures, 'structure')}, {counted(s.results, 'result')} in {s.out}")
    typer.echo(f"  {s.computed:,} computed now, {s.reused:,} there before")
    failed = s.failed + s.failed_before
    if failed or s.unreadable:
        typer.echo(
            f"  {failed:,} failed, {counted(s.unreadable, 'structure')} could not be read; "
            "the reasons are in the database"
        )
    if s.computed:
        typer.echo(
            f"  {s.wall_s:.1f} s on {counted(s.workers, 'worker')}, {100 * (1 - s.idle_fraction):.0f} % of it computing"
        )
