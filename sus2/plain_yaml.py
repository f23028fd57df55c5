"""YAML of a user's file as plain data, in bounded time and memory."""

from __future__ import annotations

from typing import Any, Final

import yaml

MAX_DEPTH: Final = 50


class _RefusedError(ValueError):
    pass


def read_yaml(text: str) -> Any:
    """The one document in text; raises ValueError, with half a sentence on what is wrong.

    Only plain values: no tag makes an object. Aliases are refused, because a few hundred bytes of them can stand for
    more memory than there is, and so is nesting deeper than MAX_DEPTH.
    """
    try:
        _check(text)
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except _RefusedError:
        raise
    # Besides its own errors, yaml lets those of int() and datetime() through.
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError, OverflowError):
        raise ValueError("not valid YAML") from None


def _check(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError("YAML aliases (*) are not read here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _RefusedError("nested too deeply")
