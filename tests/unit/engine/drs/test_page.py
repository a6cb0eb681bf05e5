"""docs/drs.md names every setting, with the default that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.settings import changed, names

PAGE = Path(__file__).parents[4] / "docs" / "drs.md"


def rows() -> dict[str, tuple[str, str]]:
    """Setting -> (unit, default), as the page's table has them."""
    found: dict[str, tuple[str, str]] = {}
    table = PAGE.read_text().partition("| setting | unit | default | |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        _, first, unit, default, _, _ = (cell.strip() for cell in line.split("|"))
        words = re.findall(r"`([^`]+)`", first)
        values = [part.strip() for part in default.split(",")] if len(words) > 1 else [default]
        group = words[0].partition(".")[0]
        for number, word in enumerate(words):
            units = [part.strip() for part in unit.split(",")]
            name = group + word if word.startswith(".") else word
            found[name] = (units[min(number, len(units) - 1)], values[number])
    return found


def test_the_page_has_every_setting_and_no_other() -> None:
    assert sorted(rows()) == sorted(names(DrsPolicy()))


def test_the_page_has_the_defaults_of_the_code() -> None:
    for name, (_, default) in rows().items():
        group, _, key = name.partition(".")
        value: Any = getattr(DrsPolicy(), group)
        value = getattr(value, key) if key else value
        text = re.sub(r" \(.*\)", "", default)
        assert bool(text) == (value != ()), f"{name} has no default on the page"
        if not text:
            continue
        said: Any = changed(DrsPolicy(), {name: text})
        assert msgspec.to_builtins(said) == msgspec.to_builtins(DrsPolicy()), f"{name}: the page says {default}"


def test_what_is_measured_in_something_has_its_unit() -> None:
    bare = {name for name, (unit, _) in rows().items() if not unit}
    assert bare == {
        "policy", "mode", "move_price", *(f"weights.{metric}" for metric in ("cpu", "memory", "disk", "network")),
    }  # fmt: skip
