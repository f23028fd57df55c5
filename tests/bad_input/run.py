"""Runs the corpus in a few worker processes, each started again behind a case that ended it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WALL_SECONDS = 900  # for a worker that waits and does not compute


@dataclass(frozen=True)
class Outcome:
    """What came of a case: computed, accepted, computation refused, refused, fault, or died with its process.

    reason: the sentence, or what went wrong; seconds of computing; mib: peak memory above that before; events: what it
    tried that no reader may.
    """

    kind: str
    name: str
    outcome: str
    reason: str
    seconds: float
    mib: float
    events: tuple[str, ...] = ()


def run_kinds(kinds: Sequence[str], folder: Path) -> list[Outcome]:
    """Every case of some kinds, read in a process of its own in a new folder below `folder`."""
    here = folder / kinds[0]
    here.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    found: list[Outcome] = []
    first = 0
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bad_input.worker", ",".join(kinds), str(first)],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WALL_SECONDS,
        )
        begun = None
        for line in done.stdout.splitlines():
            content = json.loads(line)
            if "begin" in content:
                begun = content
                continue
            begun = None
            found.append(
                Outcome(
                    content["kind"],
                    content["name"],
                    content["outcome"],
                    content["reason"],
                    content["seconds"],
                    content["mib"],
                    tuple(content["events"]),
                )
            )
        if begun is None:
            assert done.returncode == 0, done.stderr[-2000:]
            return found
        why = f"the process ended with {done.returncode} (-27: too much computing): {done.stderr[-1000:]}"
        found.append(Outcome(begun["kind"], begun["name"], "died", why, float("nan"), float("nan")))
        first = begun["begin"] + 1


def report(outcomes: list[Outcome]) -> str:
    """The figures as a Markdown table."""
    rows = ["| kind | files | read | read, not computed | refused | slowest | most memory |", "|" + "---|" * 7]
    for kind in dict.fromkeys(o.kind for o in outcomes):
        some = [o for o in outcomes if o.kind == kind]
        count = Counter(o.outcome for o in some)
        rows.append(
            f"| {kind} | {len(some)} | {count['accepted'] + count['computed']} | {count['computation refused']} | "
            f"{count['refused']} | {max(o.seconds for o in some):.2f} s | {max(o.mib for o in some):.0f} MiB |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    import tempfile

    from tests.bad_input.corpus import TOGETHER

    with tempfile.TemporaryDirectory() as place:
        everything = [
            o for kinds in ([sys.argv[1:]] if sys.argv[1:] else TOGETHER) for o in run_kinds(kinds, Path(place))
        ]
    print(report(everything))
    for o in everything:
        if o.outcome in ("fault", "died") or o.events:
            print(f"\n{o.kind} / {o.name}: {o.outcome}\n{o.reason}\n{' '.join(o.events)}")
    for o in sorted(everything, key=lambda o: -o.seconds)[:8]:
        print(f"{o.seconds:.2f} s  {o.kind} / {o.name}")
