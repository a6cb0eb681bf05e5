"""nebula vmgroup, vm create --group, vm explain: from the words that are typed to what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.cli.conftest import Cli


def shown(cli: Cli, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("vmgroup", "show", name, "-f", "json").out)
    return found


@pytest.fixture
def lab(cli: Cli) -> Callable[[], dict[str, Any]]:
    """A group called lab, made anew; what is shown of it."""
    cli("vmgroup", "remove", "lab")
    made = cli("vmgroup", "create", "lab", "--role", "a:affined", "--role", "b", "--role", "c", "--affined", "a,b")
    assert made.status == 0, made.err
    return lambda: shown(cli, "lab")


def test_what_is_typed_is_what_is_shown(lab: Callable[[], dict[str, Any]]) -> None:
    assert [role["policy"] for role in lab()["roles"]] == ["AFFINED", "NONE", "NONE"]
    assert lab()["affined"] == [["a", "b"]]


def test_an_update_changes_only_what_was_typed(cli: Cli, lab: Callable[[], dict[str, Any]]) -> None:
    first, second = cli("host", "list", "-f", "name").out.split()[:2]
    words = ("--role", "c:anti-affined", "--host-affined", f"a:{first},{second}", "--host-anti-affined", f"c:{second}")
    assert cli("vmgroup", "update", "lab", *words, "--anti-affined", "a,c").status == 0
    roles = {role["name"]: role for role in lab()["roles"]}
    assert roles["a"] == {"name": "a", "policy": "AFFINED", "host_affined": [first, second]}
    assert roles["c"] == {"name": "c", "policy": "ANTI_AFFINED", "host_anti_affined": [second]}
    assert (lab()["affined"], lab()["anti_affined"]) == ([["a", "b"]], [["a", "c"]])
    assert cli("vmgroup", "update", "lab", "--without", "b", "--host-affined", "a:").status == 0
    assert lab()["affined"] == []
    assert "host_affined" not in lab()["roles"][0]


@pytest.mark.parametrize(
    "words",
    [
        ("create", "lab2"),
        ("create", "lab2", "--role", "a:near"),
        ("create", "lab2", "--role", "a", "--affined", "a,z"),
        ("create", "lab2", "--role", "a", "--host-affined", "a"),
        ("update", "shop"),
        ("update", "shop", "--without", "nobody"),
    ],
)
def test_a_mistake_is_one_of_usage(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli("vmgroup", *words)
    assert result.status == 2
    assert result.err.startswith("error: ")


def test_a_vm_has_a_role_and_is_explained(cli: Cli) -> None:
    for name in ("g1", "g2", "g3"):
        made = cli("vm", "create", name, "--memory", "64M", "--disk", "size=1M", "--hold", "--group", "shop:web")
        assert made.status == 0, made.err
    assert [vm["role"] for vm in shown(cli, "shop")["vms"]] == ["web", "web", "web"]
    told = cli("vm", "explain", "g1").out.splitlines()
    assert told[0].endswith("is HOLD.")
    assert told[1] == "It needs 1 cores and 64 MiB."
    assert all("can take it" in text for text in told[2:4])
    assert cli("vm", "update", "g2", "--set", "VMGROUP=shop:db").status == 0
    assert [vm["role"] for vm in shown(cli, "shop")["vms"]] == ["web", "db", "web"]
    assert cli("vmgroup", "remove", "shop").status == 5
    for name in ("g1", "g2", "g3"):
        assert cli("vm", "recover", name, "--delete-db").status == 0
    assert shown(cli, "shop")["vms"] == []


def test_a_role_that_is_none_names_those_that_are(cli: Cli) -> None:
    result = cli("vm", "create", "g4", "--memory", "64M", "--disk", "size=1M", "--group", "shop:wed")
    assert result.status == 3
    assert "its roles: web" in result.err
