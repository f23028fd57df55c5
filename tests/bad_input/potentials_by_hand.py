"""Potentials in the formats of others, whole and with what makes a reader count, allocate or compute without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from tests.bad_input.by_hand import Make
from tests.potential.formats import files


@cache
def whole() -> Mapping[str, tuple[str, bytes]]:
    """File name and content by format; each covers gallium, arsenic or silicon."""
    texts = {
        "nep": ("nep.txt", files.nep(["Ga", "As"], zbl="1.0 2.0")),
        "mlip": ("mlip.mtp", files.moment_tensor(2)),
        "eam/alloy": ("gaas.alloy", files.setfl(["Ga", "As"], points=60)),
        "eam/fs": ("gaas.fs", files.setfl(["Ga", "As"], finnis_sinclair=True, points=60)),
        "tersoff": ("sic.tersoff", files.tersoff(names=("Ga", "As"))),
        "sw": ("si.sw", files.SW_SILICON),
    }
    return {kind: (name, text.encode()) for kind, (name, text) in texts.items()}


def by_hand() -> Iterator[tuple[str, str, Make]]:
    """Name, file name and maker of each: counts that do not fit, numbers without bounds, elements that are none."""

    def changed(kind: str, old: str, new: str) -> tuple[str, str, Make]:
        filename, data = whole()[kind]
        text = data.decode()
        assert old in text, (kind, old)
        return f"{kind}: {old.strip()[:20]} to {new.strip()[:30]}", filename, lambda: text.replace(old, new, 1).encode()

    def column(kind: str, word: str) -> tuple[str, str, Make]:
        """Every number of the table, not of the head, becomes one word."""
        filename, data = whole()[kind]
        lines = data.decode().splitlines()
        rest = [" ".join(word for _ in line.split()) for line in lines[8:]]
        return f"{kind}: all {word}", filename, lambda: "\n".join([*lines[:8], *rest]).encode()

    for kind in ("nep", "eam/alloy", "eam/fs", "mlip"):
        for word in ("nan", "inf", "1e308", "-1e308", "1e-320", "9" * 400):
            yield column(kind, word)
    for new in (
        "nep4_zbl 2 Ga Xx",
        "nep4_zbl 2 Ga Ga",
        "nep4_zbl 3 Ga As",
        "nep4_zbl -2 Ga As",
        "nep4_zbl 2 ga as",
        "nep4_zbl 118 " + " ".join(["Ga"] * 118),
        "nep4_zbl 2 <script> As",
    ):
        yield changed("nep", "nep4_zbl 2 Ga As", new)
    for new in ("cutoff 0 0 1 1", "cutoff nan 4 1 1", "cutoff 1e9 1e9 1 1", "cutoff 4 6 1 1", "cutoff", "cutoff -6 -4"):
        yield changed("nep", "cutoff 6 4.5 100 60", new)
    for old, new in (
        ("n_max 4 3", "n_max 99999999 99999999"),
        ("n_max 4 3", "n_max -1 -1"),
        ("n_max 4 3", "n_max 4"),
        ("l_max 4 2 1", "l_max 99 2 1"),
        ("l_max 4 2 1", "l_max 4 3 2"),
        ("ANN 7 0", "ANN 0 0"),
        ("ANN 7 0", "ANN 999999999 0"),
        ("ANN 7 0", "ANN 7 3"),
        ("zbl 1.0 2.0", "zbl 2.0 1.0"),
        ("zbl 1.0 2.0", "zbl 0 1e300"),
    ):
        yield changed("nep", old, new)
    for kind in ("eam/alloy", "eam/fs"):
        head = whole()[kind][1].decode().splitlines()
        for new in ("3 Ga As", "2 Ga Xx", "2 Ga Ga", "0", "-1 Ga", "1000000000 Ga As", "2 Ga As In"):
            yield changed(kind, head[3], new)
        for new in (
            "60 0 60 0 5",
            "60 nan 60 nan 5",
            "2000000000 0.1 2000000000 0.1 5",
            "-60 0.1 -60 0.1 5",
            "60 1e308 60 1e308 5",
            "60 0.1 60 0.1 -5",
            "60 0.1 60 0.1 1e12",
        ):
            yield changed(kind, head[4], new)
    for kind, name in (("tersoff", "Ga"), ("sw", "Si")):
        filename, data = whole()[kind]
        for word in ("Xx", "<b>", "", "-1", "\x00"):
            text = data.decode().replace(f"{name} ", f"{word} ")
            yield f"{kind}: {name} to {word}", filename, lambda text=text: text.encode()
        for word in ("nan", "inf", "1e308", "0", "-1e5", "1e-320"):
            lines = data.decode().splitlines()
            text = "\n".join(
                " ".join(w if w[:1].isalpha() or line.startswith("#") else word for w in line.split()) for line in lines
            )
            yield f"{kind}: all {word}", filename, lambda text=text: text.encode()
        yield f"{kind}: twice", filename, lambda data=data: data + data
        yield f"{kind}: many", filename, lambda data=data: data * 20_000
    for old, new in (
        ("species_count = 2", "species_count = 0"),
        ("species_count = 2", "species_count = 1000000000"),
        ("radial_basis_type = RBChebyshev", "radial_basis_type = " + "x" * 100_000),
        ("radial_basis_type", "sh_l_max = 3\nradial_basis_type"),
    ):
        yield changed("mlip", old, new)
    binary = whole()["nep"][1]
    for k in (0, 40, 400):
        yield f"nep: binary from {k}", "nep.txt", lambda k=k: binary[:k] + bytes(range(256)) * 8
    yield "nep: five million lines", "nep.txt", lambda: binary + b"0.0\n" * 5_000_000
    yield "eam: one line", "x.alloy", lambda: b"a\nb\nc\n1 Si\n" + b"1 " * 2_000_000
