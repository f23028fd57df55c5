"""Fuzzes the reader of cards."""

import json

import atheris
from _harness import fuzz

with atheris.instrument_imports(include=["sus2.registry.load"]):
    from sus2.registry import load as pretrained

from tests.bad_input import bases


def parse(data: bytes) -> object:
    card = pretrained.parse_card(data)
    assert pretrained.parse_card(card.model_dump_json().encode()).identity == card.identity
    return card


if __name__ == "__main__":
    fuzz("card", parse, [bases.card()], list(json.loads(bases.card())))
