"""The corpus: malformed, hostile and extreme files, made anew by each run from fixed seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bad_input import bases, potentials_by_hand
from tests.bad_input.archives import archives
from tests.bad_input.by_hand import HOSTILE_YAML, Make, by_hand, pickles
from tests.bad_input.mutations import mutated
from tests.bad_input.texts import MARKUP
from tests.helpers_formats import CSCL
from tests.helpers_programs import WHOLE

FINDS = Path(__file__).parent / "finds"
"""Files that fuzzing found to break a parser, one folder for each kind."""
TOGETHER = (
    ("structure",),
    ("archive", "potential", "foreign potential", "card", "config", "training", "reference", "born", "result"),
)
"""Kinds, as they share a process of readers."""
KINDS = tuple(kind for kinds in TOGETHER for kind in kinds)
PER_STRUCTURE, PER_POTENTIAL, PER_CARD, PER_CONFIG, PER_TRAINING, PER_REFERENCE, PER_RESULT = (
    75,
    260,
    130,
    80,
    60,
    40,
    150,
)
OTHERS = frozenset(f"of others: {kind}" for kind in (*CSCL, *WHOLE))
PER_OTHER = 25
PER_FOREIGN = 40
BORN = """14.4
11.7 0 0 0 11.7 0 0 0 11.7
2.1 0 0 0 2.1 0 0 0 2.1
-2.1 0 0 0 -2.1 0 0 0 -2.1
"""


@dataclass(frozen=True)
class Case:
    """One file: kind says which readers it goes to."""

    kind: str
    name: str
    filename: str
    make: Make


def corpus() -> Iterator[Case]:
    """Every case, always in the same order."""
    for name, filename, make in by_hand():
        yield Case("structure", name, filename, make)
    for kind, (filename, data) in bases.structures().items():
        yield Case("structure", f"{kind}: whole", filename, lambda data=data: data)
        yield from _damaged("structure", filename, data, PER_OTHER if kind in OTHERS else PER_STRUCTURE, kind)
    for name, filename, make in archives():
        yield Case("archive", name, filename, make)
    yield from _potentials()
    for kind, (filename, data) in potentials_by_hand.whole().items():
        yield Case("foreign potential", f"{kind}: whole", filename, lambda data=data: data)
        yield from _damaged("foreign potential", filename, data, PER_FOREIGN, kind)
    for name, filename, make in potentials_by_hand.by_hand():
        yield Case("foreign potential", f"by hand: {name}", filename, make)
    yield from _cards()
    yield from _plain("config", "mine.yaml", bases.CONFIG.encode(), PER_CONFIG)
    yield from _yaml("config", "mine.yaml")
    for kind, (filename, data) in bases.training().items():
        yield Case("training", f"{kind}: whole", filename, lambda data=data: data)
        yield from _damaged("training", filename, data, PER_TRAINING, kind)
    yield from _training()
    for kind, (filename, data) in bases.references().items():
        yield from _damaged("reference", filename, data, PER_REFERENCE, kind)
    for k, text in enumerate(HOSTILE_YAML):
        yield Case("reference", f"yaml {k}", "band.yaml", lambda text=text: f"nqpoint: 1\nphonon:\n{text}\n".encode())
    yield from _plain("born", "BORN", BORN.encode(), PER_REFERENCE)
    yield from _plain("result", "result", bases.result(), PER_RESULT)
    for name, data in pickles():
        yield Case("result", name, "result", lambda data=data: data)
    for path in sorted(FINDS.glob("*/*")):
        yield Case(path.parent.name, f"found by fuzzing: {path.name}", path.name, path.read_bytes)


def _damaged(kind: str, filename: str, data: bytes, count: int, name: str) -> Iterator[Case]:
    for how, changed in mutated(data, count, f"{kind} {name}"):
        yield Case(kind, f"{name}: {how}", filename, lambda changed=changed: changed)


def _plain(kind: str, filename: str, data: bytes, count: int) -> Iterator[Case]:
    yield Case(kind, "whole", filename, lambda: data)
    yield from _damaged(kind, filename, data, count, kind)


def _yaml(kind: str, filename: str) -> Iterator[Case]:
    for k, text in enumerate(HOSTILE_YAML):
        yield Case(kind, f"yaml {k}", filename, lambda text=text: text.encode())


def _potentials() -> Iterator[Case]:
    data = bases.potential()
    yield from _plain("potential", "mine.mtp", data, PER_POTENTIAL)
    text = data.decode()

    def changed(old: str, new: str) -> Make:
        assert old in text
        return lambda: text.replace(old, new, 1).encode()

    for key, value in {
        "L = 2": ("L = 20", "L = -1", "L = 99999999999", "L = 2.0"),
        "species_count = 1": ("species_count = 0", "species_count = 1024", "species_count = 1000000000"),
        "max_dist = 4": (
            "max_dist = 0",
            "max_dist = -4",
            "max_dist = 100.",
            "max_dist = 1e308 #",
            "max_dist = 1e-300 #",
        ),
        "radial_funcs_count = 6": ("radial_funcs_count = 10000", "radial_funcs_count = 7", "radial_funcs_count = 0"),
        "radial_basis_size = 6": ("radial_basis_size = 1000", "radial_basis_size = 1"),
        "alpha_moments_count = ": ("alpha_moments_count = 9999", "alpha_moments_count = -", "alpha_moments_count = 1#"),
        "scaling = 5": ("scaling = 0", "scaling = -5", "scaling = 1e300 #", "scaling = nan #"),
        "potential_name = random": tuple(f"potential_name = {word}" for word in MARKUP),
        "scal_coeffs = {": ("scal_coeffs = {1e308, ", "scal_coeffs = {-", "scal_coeffs = {nan, ", "scal_coeffs = {{"),
        "MTP": ("MTP\n" * 5, "mtp", "\ufeffMTP", "MTP\r", "SUS2-SH"),
    }.items():
        for new in value:
            yield Case("potential", f"{key} to {new[:30]}", "mine.mtp", changed(key, new))
    for name, make in {
        "all coefficients huge": lambda: text.replace("e+00", "e+300").replace("e-01", "e+299").encode(),
        "all coefficients tiny": lambda: text.replace("e+00", "e-300").encode(),
        "braces": lambda: b"MTP\nversion = 1.1.0\nalpha_index_basic = " + b"{" * 2_000_000,
        "many rows": lambda: text.replace(
            "alpha_index_times = {", "alpha_index_times = {" + "{0,0,0,0}," * 400_000
        ).encode(),
        "many lines": lambda: (text + "x\n" * 1_000_000).encode(),
        "newlines": lambda: b"\n" * 5_000_000,
        "a long line": lambda: b"MTP\nversion = " + b"1" * 5_000_000,
        "sixty megabytes": lambda: b"MTP\n" + b" " * (60 * 2**20),
        "without coefficients": lambda: "\n".join(
            line for line in text.splitlines() if "coeffs" not in line and "\t\t" not in line
        ).encode(),
    }.items():
        yield Case("potential", name, "mine.mtp", make)
    for name, data in pickles():
        yield Case("potential", name, "mine.mtp", lambda data=data: data)


def _cards() -> Iterator[Case]:
    yield from _plain("card", "mine.json", bases.card(), PER_CARD)
    base = json.loads(bases.card())
    for key in base:
        for value in (
            None,
            [],
            {},
            "x" * 300_000,
            -1,
            1e308,
            [[[]]],
            {"a": {"b": {"c": 1}}},
            True,
            float("nan"),
            MARKUP[0],
        ):
            content = json.dumps(base | {key: value})
            yield Case(
                "card", f"{key} = {content[:1]}{value!s:.20}", "mine.json", lambda content=content: content.encode()
            )
    for name, text in {
        "deep": "[" * 100_000,
        "deep object": '{"name":' * 50_000,
        "extra": '{"name": "x", "__class__": "os.system"}',
        "twice": '{"name": "a", "name": "b", "functional": "PBE", "elements": ["Si"]}',
        "number": "9" * 10_000,
        "surrogate": '{"name": "\\ud800", "functional": "PBE", "elements": ["Si"]}',
        "controls": '{"name": "\\u0000\\u001b[31m", "functional": "\\n\\n", "elements": ["Si"]}',
        "long key": json.dumps({"k" * 100_000: 1}),
        "newline key": json.dumps({**base, "a\nb": 1}),
    }.items():
        yield Case("card", name, "mine.json", lambda text=text: text.encode())
    for word in MARKUP:
        named = json.dumps(base | {"name": word, "summary": word, "limits": word, "elements": [word]})
        yield Case("card", f"elements {word[:20]}", "mine.json", lambda named=named: named.encode())


def _training() -> Iterator[Case]:
    import gzip

    cfg = bases.CFG
    texts = {
        "huge size": cfg.replace("    2\n", f"    {10**12}\n", 1),
        "negative size": cfg.replace("    2\n", "    -2\n", 1),
        "no types": cfg.replace("1 0 0.0", "1 9 0.0"),
        "nan": cfg.replace("1.3575", "nan"),
        "never ended": "BEGIN_CFG\n" * 100_000,
        "ended": "END_CFG\n",
        "nothing": "",
        "only begin": "BEGIN_CFG\nEND_CFG\n",
        "size alone": "BEGIN_CFG\nSize\nEND_CFG\n",
        "long": cfg * 1500,
        "markup": cfg.replace("VASP", MARKUP[0]),
    }
    for name, text in texts.items():
        yield Case("training", f"cfg {name}", "train.cfg", lambda text=text: text.encode())
    yield Case("training", "gzip bomb", "train.cfg.gz", lambda: gzip.compress(bytes(600 * 2**20), 1))
    yield Case("training", "gzip damaged", "train.cfg.gz", lambda: gzip.compress(cfg.encode())[:-9] + b"123456789")
    yield Case("training", "gzip cut", "train.cfg.gz", lambda: gzip.compress(cfg.encode())[:40])
    yield Case("training", "no gzip", "train.json.gz", lambda: b"plain")
    yield Case("training", "deep", "train.json", lambda: b"[" * 100_000)
    yield Case("training", "unknown ending", "train.pkl", lambda: cfg.encode())
    for name, data in pickles():
        for filename in ("train.json", "train.cfg", "train.extxyz"):
            yield Case("training", f"{name} as {filename}", filename, lambda data=data: data)
