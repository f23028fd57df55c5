"""Damage to a file: one change each, chosen by a seeded generator, so that every run has the same files."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "1e309",
    "1e-320",
    "-0",
    "0",
    "-1",
    "1e99",
    "99999999999999999999",
    "9" * 400,
    "1_000",
    "0x10",
    "1e",
    "--3",
    "1,5",
    "1/3",
    "١٢",
    "½",
    "1.5(3)",
    "+",
    ".",
    "1d2",
    "NaN(3)",
    "1e400",
    "2147483648",
    "9223372036854775808",
    "True",
    "null",
    "",
)
WORDS = (
    "<script>alert(1)</script>",
    "**bold**",
    "$\\frac{1}{2}$",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "Xx",
    "D",
    "T",
    "Si4+",
    "O2-",
    "Uue",
    "0",
    "-1",
    "\ufffd",
    "\u202eiS",
    "Si\u0301",
    "ſi",
    "A" * 3000,
    "'",
    '"',
    ";",
    "_",
    "#",
    "?",
    ".",
    "%s%n",
    "{}",
    "{0.__class__}",
    "../../etc/passwd",
    "C:\\x",
    "loop_",
    "data_",
    "{",
    "}",
    "[",
    "]",
    ":",
    "=",
    "&a",
    "*a",
    "!!python/object:os.system",
    "\t",
    "\x0b",
    "\u2028",
    "\u0085",
)
_NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[^\s,\"'{}\[\]:=]+")


def _replaced(data: bytes, match: re.Match[bytes], new: bytes) -> bytes:
    return data[: match.start()] + new + data[match.end() :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8, 64))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def change_number(data: bytes, rng: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    return _replaced(data, rng.choice(found), rng.choice(NUMBERS).encode()) if found else data + b" nan"


def change_all_numbers(data: bytes, rng: random.Random) -> bytes:
    new = rng.choice(NUMBERS).encode()
    start = rng.randrange(len(data))
    return data[:start] + _NUMBER.sub(lambda _: new, data[start:])


def change_word(data: bytes, rng: random.Random) -> bytes:
    found = list(_WORD.finditer(data))
    return _replaced(data, rng.choice(found), rng.choice(WORDS).encode()) if found else data + b"x"


def swap_words(data: bytes, rng: random.Random) -> bytes:
    found = list(_WORD.finditer(data))
    a, b = sorted(rng.sample(range(len(found)), 2)) if len(found) > 1 else (0, 0)
    if a == b:
        return data[::-1]
    first, second = found[a], found[b]
    between = data[first.end() : second.start()]
    return data[: first.start()] + second[0] + between + first[0] + data[second.end() :]


def remove_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join(lines[:at] + lines[at + rng.choice((1, 1, 2, 5)) :])


def repeat_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join(lines[:at] + lines[at : at + 1] * rng.choice((2, 3, 50)) + lines[at + 1 :])


def swap_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def insert_bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    new = rng.choice((b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\x1b[31m", b"\x80", b"\n" * 200, b" " * 5000))
    return data[:at] + new + data[at:]


def repeat_part(data: bytes, rng: random.Random) -> bytes:
    a, b = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    return data[:b] + data[a:b] * rng.choice((1, 2, 20)) + data[b:]


def other_encoding(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("utf-8", errors="replace")
    return text.encode(rng.choice(("utf-16", "utf-32", "utf-7", "cp037")), errors="replace")


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    truncate,
    flip_bit,
    change_number,
    change_number,
    change_number,
    change_all_numbers,
    change_word,
    change_word,
    swap_words,
    remove_line,
    repeat_line,
    swap_lines,
    insert_bytes,
    repeat_part,
    other_encoding,
)


def mutated(data: bytes, count: int, seed: str) -> Iterator[tuple[str, bytes]]:
    """`count` different damaged copies and what was done to each; seed: any text."""
    seen = {data}
    k = 0
    while len(seen) <= count:
        rng = random.Random(f"{seed} {k}")
        k += 1
        changed, words = data, []
        for mutation in rng.sample(MUTATIONS, rng.choice((1, 1, 1, 2, 3))):
            changed = mutation(changed, rng) or b"\n"
            words.append(mutation.__name__)
        if changed not in seen:
            seen.add(changed)
            yield f"{k} {' '.join(words)}", changed
