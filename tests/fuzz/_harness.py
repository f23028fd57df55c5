"""What the fuzzers share: a parser of ours, files to begin with, and the rule that only errors of ours may come.

Run one as `python tests/fuzz/fuzz_mtp.py -max_total_time=60` (options of libFuzzer); it stops at the first find and
writes it to tests/bad_input/finds/KIND, where the corpus takes it from. Needs the extra "fuzz" (atheris).
"""

from __future__ import annotations

import hashlib
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FINDS = ROOT / "tests" / "bad_input" / "finds"
sys.path.insert(0, str(ROOT))
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from sus2.errors import Sus2Error  # noqa: E402

MAX_SENTENCE = 500
DICTIONARY = (
    "nan",
    "inf",
    "1e308",
    "-0",
    "9" * 20,
    "BEGIN_CFG",
    "END_CFG",
    "__ndarray__",
    "{{",
    "}}",
    "\\ud800",
    "\x00",
)


def checked(parse: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """The parser as a test of one input: a value or one sentence of ours."""

    def one(data: bytes) -> None:
        try:
            parse(data)
        except Sus2Error as error:
            text = str(error)
            assert text.isprintable(), text
            assert len(text) <= MAX_SENTENCE, text

    return one


def fuzz(kind: str, parse: Callable[[bytes], object], seeds: Iterable[bytes], words: Iterable[str] = ()) -> None:
    """Run libFuzzer over the parser, beginning with the seeds and what was found before."""
    import atheris

    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{kind}-"))
    found = FINDS / kind
    old = [p.read_bytes() for p in found.glob("*")] if found.is_dir() else []
    for data in (*seeds, *old):
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    listed = folder.with_suffix(".dict")
    escaped = ("".join(f"\\x{b:02x}" for b in word.encode()) for word in (*DICTIONARY, *words))
    listed.write_text("".join(f'"{word}"\n' for word in escaped))
    found.mkdir(parents=True, exist_ok=True)
    options = ["-rss_limit_mb=2048", "-timeout=10", "-max_len=8192", f"-artifact_prefix={found}/", f"-dict={listed}"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:], str(folder)], checked(parse))
    atheris.Fuzz()
