"""Text of hostile files: markup, and small POSCAR, extended XYZ and CIF files to spoil."""

from __future__ import annotations

from tests.bad_input.bases import MINIMAL_CIF

MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<b>bold</b>",
    "**bold** _it_ `code`",
    "# title",
    "[link](javascript:alert(1))",
    "![p](http://example.invalid/p.png)",
    "$\\int_0^1 x\\,dx$",
    "~~s~~ :red[x] :smile:",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "{{7*7}}",
    "%s%n%x",
    "\u202egnp.exe",
    "'; DROP TABLE results; --",
    '=HYPERLINK("http://example.invalid")',
    "| a | b |",
    "<!--",
    "]]>",
    "\\u003cscript",
    ":material/error: x",
    "<iframe src='data:text/html,x'>",
    "$$x$$",
    "http://example.invalid",
)

"""Names that a browser, Markdown, LaTeX, a shell, SQL or a spreadsheet would take for more than text."""


def poscar(cell: str, rows: str = "0 0 0", names: str = "Si", counts: str = "1", mode: str = "Direct") -> bytes:
    return f"x\n1.0\n{cell}\n{names}\n{counts}\n{mode}\n{rows}\n".encode()


def xyz(rows: str, lattice: str = "5 0 0 0 5 0 0 0 5", extra: str = "") -> bytes:
    return f'{len(rows.splitlines())}\nLattice="{lattice}" {extra}\n{rows}\n'.encode()


def cif(changes: dict[str, str], tail: str = "") -> bytes:
    text = MINIMAL_CIF
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return (text + tail).encode()
