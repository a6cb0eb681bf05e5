"""nebula schedule: from the words that are typed to what is printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Cli


@pytest.fixture
def vm(cli: Cli) -> str:
    """The name of a VM."""
    return cli("vm", "list", "-f", "name").out.split()[0]


def shown(cli: Cli, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("schedule", "show", name, "-f", "json").out)
    return found


def test_what_is_typed_is_what_is_shown(cli: Cli, vm: str) -> None:
    made = cli(
        "schedule", "create", vm, "migrate", "+2h", "--args", "host-1", "--monthly", "1,15", "--end", "9", "--name", "move"
    )
    assert made.status == 0, made.err
    assert "nebula daemon install" in made.err
    body = shown(cli, "move")
    assert (body["vm"], body["action"], body["arguments"]) == (vm, "migrate", "host-1")
    assert (body["repeat"], body["days"], body["times"], body["runs"]) == ("monthly", [1, 15], 9, 0)
    assert cli("schedule", "update", "move", "--once").status == 0
    assert shown(cli, "move")["repeat"] == ""
    assert cli("schedule", "update", "move", "--time", "+1d", "--hourly", "6", "--end", "2035-01-01").status == 0
    assert (shown(cli, "move")["repeat"], shown(cli, "move")["days"]) == ("hourly", [6])
    assert shown(cli, "move")["until"] > 2e9
    assert cli("schedule", "list", f"vm={vm}", "-c", "name,repeat", "-f", "csv").lines == ["name,repeat", "move,every 6 h"]
    assert cli("schedule", "remove", "move").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("explode", "now"),
        ("poweroff", "yesterday"),
        ("poweroff", "now", "--weekly", "someday"),
        ("poweroff", "now", "--weekly", "mon", "--hourly", "3"),
        ("poweroff", "now", "--args", "host-1"),
        ("poweroff", "now", "--weekly", "mon", "--end", "0"),
    ],
    ids=" ".join,
)
def test_mistakes_are_one_error_and_nothing_is_made(cli: Cli, vm: str, words: tuple[str, ...]) -> None:
    before = cli("schedule", "list", "-f", "json").out
    result = cli("schedule", "create", vm, *words)
    assert result.status == 2
    assert result.err.startswith("error: ")
    assert "hint: " in result.err
    assert cli("schedule", "list", "-f", "json").out == before


def test_an_update_of_nothing_is_a_mistake(cli: Cli) -> None:
    assert cli("schedule", "update", "1").status == 2


def test_a_dry_run_schedules_nothing(cli: Cli, vm: str) -> None:
    before = cli("schedule", "list", "-f", "json").out
    tried = cli("schedule", "create", vm, "reboot", "+1h", "--dry-run")
    assert tried.status == 0
    assert cli("schedule", "list", "-f", "json").out == before
