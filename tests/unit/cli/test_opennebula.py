"""docs/opennebula.md says the truth: it lists all that OpenNebula has, and what is done is done by commands that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec
import pytest

from nebula.cli import mistakes, table
from nebula.cli.command import options_of
from nebula.cli.opennebula import context, families, states
from nebula.cli.opennebula.page import page
from nebula.cli.opennebula.rows import Row
from nebula.engine.api.schedules import SCHEDULABLE
from nebula.engine.context.nic import NicContext, nic_variables
from nebula.engine.lifecycle import table as lifecycle
from nebula.engine.lifecycle.states import LcmState, Place, VmState
from nebula.engine.machines.hardware.declared import APART

ROOT = Path(__file__).parents[3]
THEIRS = ROOT / "tests" / "data" / "opennebula"
SHARED = frozenset({"TMPL", "LIST", "FMT", "LOCK", "--numeric", "--xml"})
"""Flags of many verbs: tables of their own, or nothing that `lock` itself does not say."""
TABLES = [*families.FAMILIES.values(), families.TMPL, families.LISTS, states.OTHERS, states.RECOVERIES, states.SEEN]
TABLES += [context.CD, context.CORE, context.CARDS, context.GUESTS, context.GATE]
ROWS = [*chain(*TABLES)]
WAYS = sorted({*(way for row in ROWS for way in row.ways), *(action.way for action in states.ACTIONS)})


def lines(name: str) -> Iterator[list[str]]:
    """The words of a list of OpenNebula's."""
    return (line.split() for line in (THEIRS / name).read_text().splitlines() if not line.startswith("#"))


def test_the_page_is_as_the_code_is() -> None:
    text = (ROOT / "docs" / "opennebula.md").read_text()
    assert page() == text, "run: python -m nebula.cli.opennebula.page docs/opennebula.md"


def test_every_verb_and_flag_of_opennebula_is_in_it() -> None:
    theirs: dict[str, set[str]] = {family: set() for family in families.FAMILIES}
    for family, verb, *flags in lines("verbs.txt"):
        theirs[family] |= {verb, *(f"{verb} {flag}" for flag in flags if flag not in SHARED)}
    ours = {family: {row.name for row in rows} for family, rows in families.FAMILIES.items()}
    assert ours == theirs


@pytest.mark.parametrize("rows", TABLES, ids=lambda rows: rows[0].name)
def test_nothing_is_said_twice_and_all_of_it_is_explained(rows: tuple[Row, ...]) -> None:
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert [row.name for row in rows if not (row.ways or row.note)] == []
    assert [row.name for row in rows if row.status != "done" and (row.ways or not row.note)] == []


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_a_command_with_these_options(way: str) -> None:
    noun, verb, *words = way.split()
    command = table.find(noun, verb)
    assert command is not None
    have = {option.name for option in options_of(command)}
    assert {word for word in words if word.startswith("--")} <= have
    if verb == "create" and noun == "schedule":
        assert words[1] in SCHEDULABLE


def test_commands_in_notes_are_there_too() -> None:
    nouns = "|".join(noun.name for noun in table.NOUNS)
    named = {found for row in ROWS for found in re.findall(rf"\b({nouns}) ([a-z]+(?:-[a-z]+)+)", row.note)}
    assert named
    assert [found for found in named if table.find(*found) is None] == []


@pytest.mark.parametrize("action", states.ACTIONS, ids=lambda action: action.name)
def test_actions_lead_on_from_where_it_says_and_from_nowhere_else_of_opennebulas(action: states.Action) -> None:
    without = action.without
    possible = {name: lifecycle.find(action.verb, place(name)) is not None for name in action.sources}
    assert possible == {name: name not in without for name in action.sources}


def place(name: str) -> Place:
    """Where a VM in the state of that name is."""
    return Place(VmState[name]) if name in VmState.__members__ else Place(VmState.ACTIVE, LcmState[name])


def test_every_state_of_opennebula_is_used_or_has_a_reason_not_to_be() -> None:
    theirs = {(kind, name): int(code) for kind, code, name in lines("states.txt")}
    ours = {("STATE", state.name): int(state) for state in VmState} | {("LCM_STATE", lcm.name): int(lcm) for lcm in LcmState}
    assert ours.items() <= theirs.items()
    assert {name for _, name in theirs.keys() - ours.keys()} == set(states.UNUSED)


def test_recoveries_are_opennebulas() -> None:
    assert [row.name for row in states.RECOVERIES] == ["failure", "success", "retry", "delete", "delete-recreate", "delete-db"]


def test_context_variables_are_all_there() -> None:
    theirs: dict[str, set[str]] = {"card": set(), "core": set(), "user": set()}
    for kind, *names in lines("context.txt"):
        theirs[kind] |= set(names)
    assert {row.name for row in context.CARDS} >= theirs["card"]
    assert {row.name for row in context.CORE} == theirs["core"]
    assert {attribute.name for attribute in APART["CONTEXT"]} >= theirs["user"] | theirs["core"]


def test_cards_are_told_what_the_page_says() -> None:
    card = NicContext(
        nic_id=0, mac="02:00:00:00:00:01", ip="10.0.0.9", gateway="10.0.0.1", dns=("10.0.0.1",), search_domain="example.org",
        mtu=1400, metric=5, method="static", routes="10.9.0.0/16 via 10.0.0.254", ip6="fd00::9", ip6_ula="fd01::9",
        ip6_gateway="fd00::1", ip6_metric=5, ip6_method="static", vlan_id=7, external=True,
    )  # fmt: skip
    told = {name.removeprefix("ETH0_") for name in nic_variables(card)}
    alias = nic_variables(msgspec.structs.replace(card, alias_id=1))
    assert {name.removeprefix("ETH0_ALIAS1_") for name in alias} == told
    assert told | {"ALIAS"} == {row.name for row in context.CARDS if row.status == "done"}


def test_a_verb_of_opennebulas_is_answered_with_ours() -> None:
    error = mistakes.unknown_word("vm", "updateconf")
    assert "nebula vm update" in error.hint
    error = mistakes.unknown_word("vm", "sg-attach")
    assert "SECURITY_GROUPS" in error.hint
