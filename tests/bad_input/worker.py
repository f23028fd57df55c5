"""Reads the files of some kinds of the corpus in a process that can neither hang nor grow, and says what came.

Run as `python -m tests.bad_input.worker KIND,KIND FIRST`, in an empty folder: it begins with case number FIRST of these
and prints a JSON line when it begins a case and one when it ends it. A case that takes more than CASE_SECONDS of
computing ends the process (SIGPROF); memory beyond MEMORY_MIB above that of the idle process is refused to it. An audit
hook writes down every attempt to write a file outside the folder, to run a program, to unpickle or to connect.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

import sus2
from sus2.errors import Sus2Error
from sus2.jobs import archive
from sus2.potential.card import parse_card
from sus2.potential.mtp import format_mtp, parse_mtp
from sus2.potential.potential import Potential
from sus2.registry.load import load_bytes
from sus2.registry.recommendation import recommend_for
from sus2.structures import content_key, describe, read_structure, write_structure
from sus2.structures.archives import read_structures
from sus2.training.data.readers import read_training_set
from sus2.training.fit.config import read_config
from sus2.validation.reference_data import read_reference
from tests.bad_input import bases, potentials_by_hand
from tests.bad_input.corpus import BORN, Case, corpus

CASE_SECONDS = 10.0
MEMORY_MIB = 1024
MAX_SENTENCE = 500
MAX_COMPUTED = 16
"""Atoms up to which a crystal that was accepted is also computed."""
_FORBIDDEN = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "subprocess.Popen",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "shutil.",
    "ctypes.dlopen",
    "urllib.Request",
    "webbrowser.open",
    "os.putenv",
    "code.__new__",
    "marshal.load",
)
_armed: list[str] | None = None
_folder = str(Path.cwd())


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _armed is None:
        return
    if event.startswith(_FORBIDDEN):
        # Reading a module that is needed for the first time unmarshals its code.
        imports = event.startswith("marshal.load") and "importlib" in sys._getframe(1).f_code.co_filename
        if not imports and not event.startswith("code."):
            _armed.append(f"{event} {str(arguments)[:100]}")
    elif event == "open":
        path, mode, flags = arguments
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or any(c in str(mode or "") for c in "wax+")
        if writes and isinstance(path, str | bytes | Path):
            place = os.path.abspath(os.fsdecode(path))
            if place != os.devnull and "__pycache__" not in place:
                _armed.append(f"writes {place[:200]}")
        elif isinstance(path, str) and path.startswith("/etc/passwd"):
            _armed.append(f"reads {path}")
    elif event in ("compile", "exec") and "CANARY" in str(arguments):
        _armed.append(f"{event} {str(arguments)[:100]}")


_RELAXED: dict[str, str] = {}


def _compute(atoms: Atoms) -> str:
    """What a property function makes of an accepted crystal, each crystal once."""
    key = content_key(atoms)
    if len(atoms) > MAX_COMPUTED or key in _RELAXED:
        return _RELAXED.get(key, "accepted")
    card = recommend_for(atoms)
    try:
        if card is None:
            raise Sus2Error("No model covers all of these elements.")
        result = sus2.relax(atoms, _loaded(card.card.name), max_steps=2)
        assert np.isfinite(result.energy_ev)
        assert np.isfinite(result.atoms.positions).all()
        _RELAXED[key] = "computed"
    except Sus2Error as error:
        _sentence(error)
        _RELAXED[key] = "computation refused"
    return _RELAXED[key]


_POTENTIALS: dict[str, Potential] = {}


def _loaded(name: str) -> Potential:
    if name not in _POTENTIALS:
        _POTENTIALS[name] = sus2.load(name)
    return _POTENTIALS[name]


def _sentence(error: Sus2Error | str) -> str:
    text = str(error)
    assert text.endswith((".", "!", "?")), f"no sentence: {text[-80:]!r}"
    assert len(text) <= MAX_SENTENCE, f"{len(text)} characters: {text[:200]!r}"
    assert "\n" not in text, f"more than one line: {text[:200]!r}"
    assert "Traceback" not in text
    assert all(c.isprintable() for c in text), f"unprintable: {text[:200]!r}"
    return text


def _structure(case: Case, data: bytes) -> str:
    # The other ways in lead to the same readers, so a part of the files is enough for them.
    part = zlib.crc32(case.name.encode()) % 4
    if part == 0 and len(data) < 2_000_000:
        try:
            read_reference(data, case.filename)
        except Sus2Error as error:
            _sentence(error)
    if part == 1:
        for text in read_structures([(case.filename, data)]).problems.values():
            _sentence(text)
    try:
        atoms = read_structure(case.filename, data)
    except Sus2Error as error:
        _sentence(error)
        return "refused"
    assert isinstance(atoms, Atoms)
    assert np.isfinite(atoms.positions).all()
    try:
        describe(atoms)
    except Sus2Error as error:
        _sentence(error)
        return "refused"
    if content_key(atoms) in _RELAXED:
        return "accepted"
    for fmt in ("cif", "poscar", "extxyz"):
        again = read_structure(fmt, write_structure(atoms, fmt).encode())
        assert sorted(again.numbers) == sorted(atoms.numbers)
    return _compute(atoms)


def _archive(case: Case, data: bytes) -> str:
    found = read_structures([(case.filename, data)])
    for name, text in found.problems.items():
        _sentence(text)
        assert "/.." not in name
        assert not name.startswith("/")
    return "accepted" if found.structures else "refused"


def _potential(case: Case, data: bytes) -> str:
    potential = load_bytes(data, name="mine", elements=["Si"])
    spec = potential.spec
    if spec.trained:
        assert format_mtp(parse_mtp(format_mtp(spec))) == format_mtp(spec)
    try:
        relaxed = sus2.relax(bulk("Si", "diamond", 5.43), potential, max_steps=1)
    except Sus2Error as error:
        _sentence(error)
        return "computation refused"
    assert np.isfinite(relaxed.energy_ev)
    return "computed"


def _foreign(case: Case, data: bytes) -> str:
    potential = load_bytes(data, name="mine", elements=["Ga", "As"] if case.filename.endswith(".mtp") else None)
    names = (potential.elements * 2)[:2]
    crystal = bulk("GaAs", "zincblende", 5.6)
    crystal.symbols[:] = names
    try:
        relaxed = sus2.relax(crystal, potential, max_steps=1)
    except Sus2Error as error:
        _sentence(error)
        return "computation refused"
    assert np.isfinite(relaxed.energy_ev)
    return "computed"


def _card(case: Case, data: bytes) -> str:
    card = parse_card(data, source=case.filename)
    assert parse_card(card.model_dump_json().encode()).identity == card.identity
    return "accepted"


def _config(case: Case, data: bytes) -> str:
    path = Path(case.filename)
    path.write_bytes(data)
    read_config(path)
    return "accepted"


def _training(case: Case, data: bytes) -> str:
    path = Path(case.filename)
    path.write_bytes(data)
    read_training_set(path, ["Si"])
    return "accepted"


def _reference(case: Case, data: bytes) -> str:
    read_reference(data, case.filename)
    return "accepted"


def _born(case: Case, data: bytes) -> str:
    from sus2.properties.phonons.backends import nac_parameters, phonopy_of

    nacl = bulk("NaCl", "rocksalt", 5.64)
    nac_parameters(data.decode("utf-8", errors="replace"), phonopy_of(nacl, np.eye(3)))
    return "accepted"


def _result(case: Case, data: bytes) -> str:
    archive.unpack(data, lambda wanted: _loaded("si-mlearn-pbe"))
    return "accepted"


READERS: dict[str, Callable[[Case, bytes], str]] = {
    "structure": _structure,
    "archive": _archive,
    "potential": _potential,
    "foreign potential": _foreign,
    "card": _card,
    "config": _config,
    "training": _training,
    "reference": _reference,
    "born": _born,
    "result": _result,
}


def _read(case: Case, data: bytes) -> tuple[str, str]:
    """Outcome and reason; "fault" where something else than an error of ours came."""
    try:
        return READERS[case.kind](case, data), ""
    except Sus2Error as error:
        try:
            return "refused", _sentence(error)
        except AssertionError as wrong:
            return "fault", str(wrong)
    except BaseException:
        return "fault", traceback.format_exc(limit=-6)


def _warm(kind: str) -> None:
    """Load what reading a kind needs, so that what a case opens and takes is its own."""
    if kind == "structure":
        for filename, data in bases.structures().values():
            _read(Case(kind, "", filename, lambda: b""), data)
        _loaded("sus2-universal-pbe")
    elif kind == "foreign potential":
        for filename, data in potentials_by_hand.whole().values():
            _read(Case(kind, "", filename, lambda: b""), data)
    elif kind in ("config", "training", "reference", "born", "potential"):
        whole = {"config": bases.CONFIG.encode(), "born": BORN.encode(), "potential": bases.potential()}
        for filename, data in {**bases.training(), **bases.references()}.values():
            if kind in ("training", "reference"):
                _read(Case(kind, "", filename, lambda: b""), data)
        if kind in whole:
            _read(Case(kind, "", "mine.yaml", lambda: b""), whole[kind])


def _status(name: str) -> int:
    """A number of /proc/self/status, KiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{name}:"))


def main(kinds: str, first: int) -> None:
    global _armed
    for name in ("load", "loads", "Unpickler"):
        setattr(pickle, name, _no_pickle)
    cases = [c for c in corpus() if c.kind in kinds.split(",")]
    for kind in kinds.split(","):
        _warm(kind)
    sys.addaudithook(_audit)
    limit = _status("VmSize") * 1024 + MEMORY_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for k, case in enumerate(cases[first:], first):
        data = case.make()
        for path in Path(_folder).iterdir():
            path.unlink()
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # begins the peak anew
        before = _status("VmRSS")
        print(json.dumps({"begin": k, "kind": case.kind, "name": case.name}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, CASE_SECONDS)
        _armed = []
        started = time.process_time()
        outcome, reason = _read(case, data)
        seconds = time.process_time() - started
        done, _armed = _armed, None
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        own = {case.filename} if case.kind in ("config", "training") else set()
        allowed = {f"writes {Path(_folder, name)}" for name in own}
        new = {p.name for p in Path(_folder).iterdir()} - own
        print(
            json.dumps(
                {
                    "case": k,
                    "kind": case.kind,
                    "name": case.name,
                    "outcome": outcome,
                    "reason": reason[:4000],
                    "seconds": seconds,
                    "mib": (_status("VmHWM") - before) / 1024,
                    "bytes": len(data),
                    "events": [e for e in done if e not in allowed] + [f"left {name}" for name in new],
                }
            ),
            flush=True,
        )


def _no_pickle(*arguments: Any, **options: Any) -> Any:
    raise AssertionError("something was to be unpickled")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
