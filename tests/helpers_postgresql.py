"""A PostgreSQL server of its own for tests: a throwaway cluster that listens at the loopback address alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import require
from tests.helpers_server import free_port

# Debian's packages put the server's programs here, one folder for each version.
DEBIAN = Path("/usr/lib/postgresql")


def _program(name: str) -> str:
    found = shutil.which(name) or next((str(p) for p in sorted(DEBIAN.glob(f"*/bin/{name}"), reverse=True)), None)
    if found is None:
        require("PostgreSQL's server is not installed (Debian's package postgresql)")
        raise AssertionError
    return found


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database; the server is stopped and its files are deleted afterwards."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    # The server refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.name == "posix" and os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="sus2-postgresql-"))
    data, port = folder / "data", free_port()
    if user is not None:
        shutil.chown(folder, user)

    def run(*command: str | Path) -> None:
        # The server keeps what it inherits open: with pipes this call would wait for its end.
        with (folder / "log").open("ab") as out:
            done = subprocess.run(command, user=user, cwd=folder, stdout=out, stderr=out, check=False, timeout=120)
        assert done.returncode == 0, (folder / "log").read_text()[-3000:]

    try:
        run(initdb, "--pgdata", data, "--username", "sus2", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        run(pg_ctl, "--pgdata", data, "--wait", "--options", options, "start")
        try:
            yield f"postgresql://sus2@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "--pgdata", data, "--wait", "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
