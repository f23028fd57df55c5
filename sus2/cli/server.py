"""`sus2 app` and `sus2 settings`: starting the server, and what it is set to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import sus2
from sus2.cli.common import AsJson
from sus2.errors import Sus2Error
from sus2.settings import Settings, read_settings, settings_file


def run_app(
    port: Annotated[int, typer.Option(help="Port of the server.", min=1, max=65535)] = 8501,
    address: Annotated[str, typer.Option(help="Address to listen on. Default: this computer only.")] = "localhost",
    base_path: Annotated[
        str, typer.Option(help="Path of the app behind a reverse proxy, such as sus2 for https://host/sus2/.")
    ] = "",
) -> None:
    """Start the app (Ctrl+C stops it)."""
    script = _app_script()
    # A mistake in the settings or in the folders of potentials is said here, before the server starts.
    read_settings()
    sus2.models()
    command = [sys.executable, "-m", "sus2.server.serve", "run", str(script)]
    command += ["--server.port", str(port), "--server.address", address]
    if base_path.strip("/"):
        command += ["--server.baseUrlPath", base_path.strip("/")]
    if os.name == "posix":
        # The server takes this process's place, so that whoever stops the process stops the server.
        os.execv(sys.executable, command)
    try:
        raise typer.Exit(subprocess.run(command, check=False).returncode)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _app_script() -> Path:
    """app.py: beside the package in a checkout, inside it in an installation."""
    try:
        import streamlit  # noqa: F401
    except ModuleNotFoundError:
        raise Sus2Error("The app needs streamlit: install it with pip install 'sus2[app]'.") from None
    package = Path(sus2.__file__).resolve().parent
    for script in (package / "_app" / "app.py", package.parent / "app.py"):
        if script.is_file():
            return script
    raise Sus2Error("app.py is missing from this installation; install SUS2 Explorer again.")


def show_settings(as_json: AsJson = False) -> None:
    """Show the settings of the server, and where each comes from: environment, file, or default."""
    values, sources = read_settings()
    rows = [
        {
            "name": name,
            "value": getattr(values, name),
            "source": sources[name],
            "variable": f"SUS2_{name.upper()}",
            "meaning": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    path = settings_file()
    typer.echo(f"File of settings: {path or 'none (SUS2_SETTINGS names one)'}")
    for row in rows:
        shown = str(row["value"]).lower() if isinstance(row["value"], bool) else str(row["value"]) or "-"
        typer.echo(f"{row['name']:<20} {shown:<8} {row['source']:<28} {row['meaning']}")
