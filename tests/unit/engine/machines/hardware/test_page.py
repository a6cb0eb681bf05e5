"""docs/template.md lists every attribute as the code declares it, and OpenNebula's whole list is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.engine.machines.hardware.declared import BLOCKS, blocks
from nebula.engine.machines.hardware.page import refreshed
from nebula.engine.machines.template import LISTS, SINGLE, VECTORS

DOCUMENT = Path(__file__).parents[5] / "docs" / "template.md"


def test_the_page_is_as_the_code_is() -> None:
    text = DOCUMENT.read_text()
    assert refreshed(text) == text, "run: python -m nebula.engine.machines.hardware.page docs/template.md"


def test_no_attribute_is_declared_twice() -> None:
    for block, attributes in blocks():
        names = [attribute.name for attribute in attributes]
        assert len(set(names)) == len(names), block


def test_what_is_refused_or_left_says_why() -> None:
    for block, attributes in blocks():
        assert all(attribute.note for attribute in attributes if attribute.status != "done"), block


@pytest.mark.parametrize("block", [block for block in BLOCKS if block])
def test_blocks_have_their_regular_form(block: str) -> None:
    assert (block in LISTS) != (block in VECTORS)


def test_attributes_of_the_template_itself_are_single_values() -> None:
    read = {attribute.name for attribute in BLOCKS[""] if attribute.status == "done"}
    assert read <= SINGLE
