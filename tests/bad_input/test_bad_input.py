"""Malformed, hostile and extreme files: a result or one sentence; no hang, no growth, nothing written or run."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from sus2.cli.main import app as command_line
from sus2.errors import Sus2Error
from sus2.jobs import archive
from sus2.plain_yaml import read_yaml
from sus2.potential.card import parse_card
from sus2.potential.mtp import format_mtp, parse_mtp
from sus2.structures import read_structure
from sus2.structures.archives import read_structures
from sus2.training.data.readers import read_cfg, read_json
from sus2.validation.reference_data import read_reference
from tests.bad_input import bases
from tests.bad_input.by_hand import HOSTILE_YAML
from tests.bad_input.corpus import KINDS, TOGETHER, Case, corpus
from tests.bad_input.run import Outcome, run_kinds
from tests.helpers_spec import random_spec

MAX_SENTENCE = 500
PLAIN_YAML = (15, 18, 19, 22)


def sentence(error: BaseException | str) -> str:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) <= MAX_SENTENCE
    return text


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    return list(corpus())


def test_the_corpus_is_large_and_every_case_is_named_once(cases: list[Case]) -> None:
    assert len(cases) >= 2000
    assert {c.kind for c in cases} == set(KINDS)
    assert sum(c.kind in ("structure", "archive", "potential") for c in cases) >= 2000
    assert len({(c.kind, c.name) for c in cases}) == len(cases)


def test_the_corpus_is_the_same_every_time(cases: list[Case]) -> None:
    again = corpus()
    for k, (one, other) in enumerate(zip(cases, again, strict=True)):
        assert one.name == other.name
        if k % 50 == 0:
            assert one.make() == other.make()


@pytest.mark.parametrize("kinds", TOGETHER, ids=lambda kinds: kinds[0])
def test_every_file_is_read_or_refused_in_a_sentence(kinds: tuple[str, ...], cases: list[Case], tmp_path: Path) -> None:
    """Computing 10 s or 1 GiB more than at rest ends the process of the readers, which counts as a fault."""
    found = run_kinds(kinds, tmp_path)
    # Not by name: some archives hold the time at which they were made, so other damage is drawn for them.
    assert Counter(o.kind for o in found) == Counter(c.kind for c in cases if c.kind in kinds)
    wrong = [o for o in found if o.outcome in ("fault", "died")]
    assert not wrong, "\n".join(f"{o.name}: {o.reason}" for o in wrong[:5])
    tried = [o for o in found if o.events]
    assert not tried, "\n".join(f"{o.name}: {o.events}" for o in tried[:5])
    # A corpus that is always refused, or always accepted, would test one branch.
    assert {o.kind for o in found if o.outcome == "refused"} == set(kinds)
    assert {o.kind for o in found if o.outcome in ("accepted", "computed")} == set(kinds)


def test_the_watch_over_the_readers_sees_what_they_must_not_do(tmp_path: Path) -> None:
    """The same worker, with readers that hang, grow, write, unpickle, run a program and raise."""
    script = tmp_path / "bad_readers.py"
    script.write_text(
        "import json, os, sys\n"
        "from tests.bad_input import worker\n"
        "from tests.bad_input.corpus import Case\n"
        "import pickle; unpickle = pickle.loads\n"
        "def hang(case, data):\n"
        "    while True: pass\n"
        "def grow(case, data): return 'x' * (2 * 2**30)\n"
        "def write(case, data): open('left.txt', 'w').close(); return 'accepted'\n"
        "def thaw(case, data): unpickle(b'cposix\\ngetpid\\n.'); return 'accepted'\n"
        "def code(case, data): import marshal; marshal.loads(marshal.dumps(1)); return 'accepted'\n"
        "def run(case, data): os.system('true'); return 'accepted'\n"
        "def fail(case, data): raise KeyError('x')\n"
        "def talk(case, data): raise worker.Sus2Error('two\\nlines.')\n"
        "bad = [write, thaw, code, run, fail, talk, grow, hang]\n"
        "worker.corpus = lambda: [Case('card', f.__name__, 'x', lambda: b'') for f in bad]\n"
        "worker.READERS['card'] = lambda case, data: globals()[case.name](case, data)\n"
        "worker.CASE_SECONDS = 0.5\n"
        "worker.main('card', 0)\n"
    )
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == -27, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = {line["name"]: line for line in lines if "case" in line}
    assert list(found) == ["write", "thaw", "code", "run", "fail", "talk", "grow"]
    assert lines[-1]["name"] == "hang"
    assert any("left.txt" in e for e in found["write"]["events"])
    assert any("pickle" in e for e in found["thaw"]["events"])
    assert any("marshal" in e for e in found["code"]["events"])
    assert any("os.system" in e for e in found["run"]["events"])
    assert "KeyError" in found["fail"]["reason"]
    assert "more than one line" in found["talk"]["reason"]
    assert "MemoryError" in found["grow"]["reason"]


# Command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("something was to be unpickled")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)


def some(cases: list[Case], kind: str, count: int) -> list[tuple[Case, bytes]]:
    """A sample of the small files of a kind that a file system can name."""
    chosen = random.Random(0).sample([c for c in cases if c.kind == kind], count)
    files = [(c, c.make()) for c in chosen]
    return [(c, data) for c, data in files if len(data) < 500_000]


@pytest.mark.usefixtures("no_pickle")
def test_the_command_line_says_one_sentence(cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = some(cases, "structure", 60)
    runner = CliRunner()
    refused = 0
    for k, (case, data) in enumerate(files):
        Path(f"{k}.cif").write_bytes(data)
        done = runner.invoke(
            command_line, ["relax", f"{k}.cif", "--json", "--set", "max_steps=2", "--model", "si-mlearn-pbe"]
        )
        if isinstance(done.exception, Sus2Error):
            sentence(done.exception)
            refused += 1
        else:
            assert done.exit_code in (0, 1), (case.name, done.exception)
            assert json.loads(done.stdout)["potential"] == "si-mlearn-pbe", case.name
    assert refused > 20
    assert {p.name for p in tmp_path.iterdir()} == {f"{k}.cif" for k in range(len(files))}


@pytest.mark.usefixtures("no_pickle")
def test_the_command_line_refuses_bad_potentials(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for k, (case, data) in enumerate(some(cases, "potential", 25)):
        Path(f"{k}.mtp").write_bytes(data)
        done = CliRunner().invoke(
            command_line, ["relax", "si", "--json", "--set", "max_steps=1", "--model", f"{k}.mtp", "--elements", "Si"]
        )
        if done.exit_code not in (0, 1) or not done.stdout:
            assert isinstance(done.exception, Sus2Error), (case.name, done.exception)
            sentence(done.exception)


def test_many_bad_files_in_a_process_of_its_own(cases: list[Case], tmp_path: Path) -> None:
    names = []
    for k, (_, data) in enumerate(some(cases, "structure", 30)[:20]):
        (tmp_path / f"{k}.cif").write_bytes(data)
        names.append(f"{k}.cif")
    command = [sys.executable, "-m", "sus2.cli", "relax", *names, "--json", "--set", "max_steps=2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["structure"] for line in lines] == names
    assert all(sentence(line["error"]) for line in lines if "error" in line)
    assert {p.name for p in tmp_path.iterdir()} == set(names)


def test_a_file_larger_than_memory_is_not_read(tmp_path: Path) -> None:
    """Sparse files: they take no disk, but reading them would take all memory."""
    for name, command in (("big.cif", ["relax", "big.cif"]), ("big.mtp", ["relax", "si", "--model", "big.mtp"])):
        with (tmp_path / name).open("wb") as file:
            file.truncate(64 * 2**30)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30));"
                "sys.argv[0] = 'sus2'; from sus2.cli.main import main; main()",
                *command,
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 2, done.stderr
        assert "MiB" in sentence(done.stderr.strip())


# Properties of the parsers -------------------------------------------------------------------------------------------


@examples(max_examples=60)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    readers = (
        lambda: read_structure("x", data),
        lambda: parse_card(data),
        lambda: read_reference(data),
        lambda: parse_mtp(data.decode("latin-1")),
        lambda: archive.unpack(data, lambda _: None),
        lambda: read_cfg(data.decode("latin-1"), ["Si"], name="x"),
        lambda: read_json(data.decode("latin-1"), name="x"),
    )
    for read in readers:
        try:
            read()
        except Sus2Error as error:
            sentence(error)
    for problem in read_structures([("x", data)]).problems.values():
        assert sentence(problem)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
structure_json = st.fixed_dictionaries(
    {},
    optional={
        "sites": json_values
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "species": json_values
                    | st.lists(
                        st.fixed_dictionaries(
                            {},
                            optional={
                                "element": st.sampled_from(["Si", "D", "Xx"]) | json_values,
                                "occu": st.just(1) | json_values,
                            },
                        )
                    ),
                    "abc": st.lists(st.floats(), min_size=3, max_size=3) | json_values,
                    "xyz": json_values,
                },
            ),
            max_size=3,
        ),
        "lattice": json_values | st.fixed_dictionaries({}, optional={"matrix": json_values, "pbc": json_values}),
        "numbers": json_values | st.lists(st.integers(-1, 130), max_size=3),
        "positions": json_values,
        "cell": json_values,
        "pbc": json_values,
        "structure": json_values,
        "crystal": json_values,
    },
)


@examples(max_examples=200)
@given(structure_json)
def test_json_of_any_shape_is_read_or_refused(content: dict[str, Any]) -> None:
    try:
        read_structure("x.json", json.dumps(content).encode())
    except Sus2Error as error:
        sentence(error)
    try:
        read_json(json.dumps([content]), name="x")
    except Sus2Error as error:
        sentence(error)


@examples(max_examples=25)
@given(st.integers(1, 3), st.integers(0, 1000), st.sampled_from(["K", "L", "LK"]))
def test_potentials_come_back_to_the_last_bit(species: int, seed: int, scaling_map: str) -> None:
    text = format_mtp(random_spec(species, seed=seed, scaling_map=scaling_map))
    assert format_mtp(parse_mtp(text)) == text


@pytest.mark.parametrize("k", range(len(HOSTILE_YAML)))
def test_yaml_is_plain_data_or_refused(k: int) -> None:
    if k in PLAIN_YAML:
        assert isinstance(read_yaml(HOSTILE_YAML[k]), str | dict | int)
        return
    with pytest.raises(ValueError, match=r"YAML aliases|nested too deeply|not valid YAML"):
        read_yaml(HOSTILE_YAML[k])


@examples(max_examples=60)
@given(st.dictionaries(st.text("abc:*&", min_size=1, max_size=5), st.lists(st.floats(allow_nan=False)), max_size=4))
def test_yaml_that_was_written_is_read_back(content: dict[str, list[float]]) -> None:
    import yaml

    assert read_yaml(yaml.safe_dump(content)) == content


def test_figures_name_every_kind() -> None:
    from tests.bad_input.run import report

    one = Outcome("card", "x", "refused", "No.", 0.5, 1.0)
    assert report([one]).splitlines()[-1] == "| card | 1 | 0 | 0 | 1 | 0.50 s | 1 MiB |"
    assert bases.card()
