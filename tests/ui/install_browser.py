"""Installs Debian's chromium for the browser tests where that is possible, else says how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def main() -> int:
    if shutil.which("chromium"):
        return 0
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        print("No chromium found: the browser tests will skip (on Debian: apt-get install chromium).")
        return 0
    print("Installing chromium for the browser tests ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"'{' '.join(command)}' failed: browser tests may skip:")
            print(done.stderr.strip()[-500:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
