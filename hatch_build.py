"""Puts the compiled kernels into a wheel: one library for each level of the processor (sus2/native/build.py)."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The oldest macOS that the libraries run on.
MACOS = "11.0"


class CompiledKernels(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the kernels for a wheel; an editable installation compiles at first use instead.

    Where there is no compiler the wheel has no kernels and says so; with SUS2_BUILD_KERNELS=0 it is not tried, with
    SUS2_BUILD_KERNELS=1 it must succeed.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the libraries and the platform's tag in the wheel."""
        wanted = os.environ.get("SUS2_BUILD_KERNELS", "")
        if self.target_name != "wheel" or version == "editable" or wanted == "0":
            return
        build = _build_module(Path(self.root))
        try:
            build.compiler()
        except OSError as error:
            if wanted:
                raise
            self.app.display_warning(f"The wheel has no compiled kernels: {error}.")
            return
        self.scratch = tempfile.TemporaryDirectory()
        extra = [f"-mmacosx-version-min={MACOS}"] if sys.platform == "darwin" else []
        try:
            paths = build.compile_levels(Path(self.scratch.name), *extra)
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace")
            raise RuntimeError(f"The kernels do not compile ({' '.join(error.cmd)}):\n{said}") from None
        build_data["force_include"] |= {str(p): f"sus2/native/lib/{p.name}" for p in paths}
        # No part of Python's own interface is used, so that one wheel serves every version of Python.
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete what was compiled once it is in the wheel."""
        if hasattr(self, "scratch"):
            self.scratch.cleanup()


def _build_module(root: Path) -> ModuleType:
    """sus2/native/build.py by itself: nothing that the package needs is installed where wheels are built."""
    spec = importlib.util.spec_from_file_location("sus2_native_build", root / "sus2" / "native" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def _platform() -> str:
    """The platform in a wheel's tag; `make wheel` has auditwheel name the oldest Linux that serves."""
    if sys.platform == "darwin":
        return f"macosx_{MACOS.replace('.', '_')}_{platform.machine()}"
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
