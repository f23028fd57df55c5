"""docs/benchmarks.md (tables) and docs/benchmarks.html (plots) of the last run of every benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from _harness import RESULTS
from plotly.subplots import make_subplots

DOCS = Path(__file__).resolve().parent.parent / "docs"


def cell(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def tables(run: dict[str, Any]) -> list[str]:
    """Markdown of one run."""
    out = [
        f"## {run['title']}",
        "",
        f"{run['date']} UTC, {run['machine']}, torch {run['torch']}; calibration (matrix product in numpy, one thread) "
        f"{run['calibration_gflops']:.1f} GFLOP/s.",
        "",
        "| | atoms | | | ratio |",
        "|---|--:|--:|---|---|",
    ]
    before = ""
    for r in run["rows"]:
        if r["table"] != before:
            before = r["table"]
            out.append(f"| **{before}** | | | | |")
        ratio = f"{r['ratio']:.3g} times faster than: {r['against']}" if r["ratio"] is not None else ""
        out.append(f"| {r['name']} | {r['size']:,} | {cell(r['value'])} | {r['unit']} | {ratio} |")
    return [*out, ""]


def figure(runs: list[dict[str, Any]]) -> go.Figure:
    """One panel for each table of times: bars, or lines against the number of atoms where there are many sizes."""
    panels: list[tuple[str, list[dict[str, Any]]]] = []
    for run in runs:
        for table in dict.fromkeys(r["table"] for r in run["rows"]):
            rows = [r for r in run["rows"] if r["table"] == table and r["unit"].startswith(("us", "ms"))]
            panels.append((f"{run['title']}: {table}", rows))
    drawn = make_subplots(rows=len(panels), cols=1, subplot_titles=[title for title, _ in panels])
    for k, (_, rows) in enumerate(panels, 1):
        names = list(dict.fromkeys(r["name"] for r in rows))
        sizes = sorted({r["size"] for r in rows})
        if len(sizes) > 3:
            for name in names:
                mine = [r for r in rows if r["name"] == name]
                x, y = [r["size"] for r in mine], [r["value"] for r in mine]
                drawn.add_scatter(x=x, y=y, name=name, mode="lines+markers", row=k, col=1)
            drawn.update_xaxes(type="log", title="atoms", row=k, col=1)
        else:
            labels = [f"{r['name']} ({r['size']})" for r in rows]
            drawn.add_bar(x=[r["value"] for r in rows], y=labels, orientation="h", showlegend=False, row=k, col=1)
            drawn.update_xaxes(type="log", title=rows[0]["unit"] if rows else "", row=k, col=1)
            drawn.update_yaxes(autorange="reversed", row=k, col=1)
    drawn.update_layout(height=360 * max(1, len(panels)), width=1100, title="Benchmarks, last run of each")
    return drawn


def main() -> None:
    runs = [json.loads(path.read_text())[-1] for path in sorted(RESULTS.glob("*.json"))]
    text = [
        "# Benchmarks",
        "",
        "Made by `make bench`. One thread and best of several runs in processor time, unless a row says otherwise; two "
        "threads in wall time. Runs are kept in `benchmarks/results/`; each script says what became slower since its "
        "last run, measured against its calibration.",
        "",
    ]
    for run in runs:
        text += tables(run)
    (DOCS / "benchmarks.md").write_text("\n".join(text), encoding="utf-8")
    figure(runs).write_html(DOCS / "benchmarks.html", include_plotlyjs=True)
    print(f"wrote {DOCS.name}/benchmarks.md and {DOCS.name}/benchmarks.html ({len(runs)} benchmarks)")


if __name__ == "__main__":
    main()
