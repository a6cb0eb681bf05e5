"""What screens offer comes from the command table, and from nothing else."""

from __future__ import annotations

import shlex

import pytest

from nebula.cli import fastparse, table
from nebula.cli.command import Argument, Command, Option
from nebula.cli.options import GlobalOptions
from nebula.engine.api.columns import SOURCES
from nebula.engine.lifecycle.states import HostState, LcmState, VmState
from nebula.errors import UsageError
from nebula.tui import keys, lines, ranking
from nebula.tui.offers import Offer, anywhere, elsewhere, keys_of, offered, offers
from nebula.tui.views import VIEWS, named

NOUNS = [view.noun for view in VIEWS if view.noun]
RUNNING = VmState.ACTIVE * 1000 + LcmState.RUNNING
OFF = VmState.POWEROFF * 1000
MONITORED, ERROR = HostState.MONITORED, HostState.ERROR


@pytest.mark.parametrize("noun", NOUNS)
def test_every_verb_of_the_command_line_is_on_its_objects_screen(noun: str) -> None:
    everywhere = {offer.id for offer in (*offers(noun), *anywhere())}
    verbs = {f"{noun}.{command.name}" for command in table.commands(noun) if not command.hidden and command.name != "list"}
    assert verbs <= everywhere


@pytest.mark.parametrize("noun", NOUNS)
def test_no_key_does_two_things(noun: str) -> None:
    declared = [offer.command.key for offer in offers(noun) if offer.command.key and offer.command.noun == noun]
    assert len(declared) == len(set(declared))
    there = {"anywhere", "list", *(("plans",) if noun == "drs" else ())}
    own = {item.key for item in keys.KEYS if item.where in there} | {view.key for view in VIEWS if view.key}
    assert own.isdisjoint(declared), own & set(declared)


def test_keys_of_the_dashboard_are_all_different() -> None:
    assert len({item.key for item in keys.KEYS}) == len(keys.KEYS)
    assert len({item.id for item in keys.KEYS}) == len(keys.KEYS)


def test_whatever_ends_or_deletes_asks_first() -> None:
    destroying = {"remove", "delete", "terminate", "recover", "disk-detach", "snapshot-delete", "disk-snapshot-delete"}
    for noun in NOUNS:
        for offer in offers(noun):
            if offer.command.name in destroying:
                assert offer.command.risk == "destroys", offer.id
                assert offer.asks


def test_a_verb_that_comes_later_appears_by_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from nebula.cli.table import vm

    later = Command(
        "defragment", "Made up.", "nebula vm defragment web", "verbs.vm:hold", (Argument("refs", "VMs.", True, complete="vm"),),
        verbs=("poweroff",), changes=True, key="X",
    )  # fmt: skip
    monkeypatch.setattr(vm, "COMMANDS", (*vm.COMMANDS, later))
    found = offers("vm")
    assert "vm.defragment" in {offer.id for offer in found}
    assert "X" in keys_of(offered(found, [RUNNING]), {})
    assert "X" not in keys_of(offered(found, [OFF]), {}), "the transition table has it from RUNNING only"


def test_only_what_the_transition_table_has_is_offered() -> None:
    running = {offer.command.name for offer in offered(offers("vm"), [RUNNING])}
    off = {offer.command.name for offer in offered(offers("vm"), [OFF])}
    assert {"poweroff", "suspend", "snapshot-create"} <= running
    assert "resume" not in running
    assert "resume" in off
    assert off.isdisjoint({"poweroff", "suspend", "reboot"})
    assert {"poweroff", "resume"} <= {offer.command.name for offer in offered(offers("vm"), [OFF, RUNNING])}


def test_what_does_nothing_in_a_state_is_not_offered_there() -> None:
    access = {"console", "vnc", "spice", "exec", "screenshot"}
    assert access <= {offer.command.name for offer in offered(offers("vm"), [RUNNING])}
    assert access.isdisjoint({offer.command.name for offer in offered(offers("vm"), [OFF])})
    well, down = ({offer.id for offer in offered(offers("host"), [int(state)])} for state in (MONITORED, ERROR))
    assert well - down == {"host.evacuate"}
    assert {"host.check", "host.enable", "vm.adopt", "doctor"} <= down


def test_what_other_screens_offer_is_found_from_everywhere() -> None:
    nouns = [view.noun for view in VIEWS if view.noun]
    found = {(noun, offer.id) for noun, offer in elsewhere("vm", nouns)}
    assert {("host", "host.evacuate"), ("image", "image.clone"), ("network", "network.remove")} <= found
    assert not any(noun == "vm" for noun, _ in found)


def test_commands_of_other_nouns_that_are_about_a_vm_are_offered_too() -> None:
    assert {"schedule.create"} <= {offer.id for offer in offers("vm")}
    assert {"vm.adopt", "doctor"} <= {offer.id for offer in offers("host")}


def test_a_persons_own_keys_win() -> None:
    found = keys_of(offered(offers("vm"), [RUNNING]), {"vm.poweroff": "O", "vm.reboot": ""})
    assert found["O"].id == "vm.poweroff"
    assert "o" not in found
    assert "R" not in found


def test_lines_mean_what_was_filled_in() -> None:
    for offer in (*offers("vm"), *offers("network"), *anywhere()):
        filled = _filled(offer)
        words = lines.words(offer.command, filled)
        parsed = fastparse.parse(words)
        assert parsed is not None, words
        assert parsed.values == lines.check(offer.command, filled, GlobalOptions()).values
        assert shlex.split(lines.text(offer.command, filled)) == ["nebula", *words]


def _filled(offer: Offer) -> dict[str, str | bool | list[str]]:
    found: dict[str, str | bool | list[str]] = {}
    for argument in offer.command.arguments:
        found[argument.name] = ["a b", "c"] if argument.many else "it's"
    for option in offer.command.options:
        if isinstance(option, Option):
            value = option.choices[0] if option.choices else "5" if option.kind == "integer" else "-1 x"
            found[option.key] = True if option.kind == "flag" else [value, "y"] if option.kind == "many" else value
    return found


def test_what_is_missing_is_said() -> None:
    rename = next(offer for offer in offers("vm") if offer.command.name == "rename")
    with pytest.raises(UsageError, match="name is missing"):
        lines.check(rename.command, {"ref": "3"}, GlobalOptions())
    with pytest.raises(UsageError, match="quotation mark"):
        lines.split(Argument("x", "", many=True), "'a")


def test_exact_comes_before_prefix_before_fuzzy() -> None:
    known = ["vm resume", "vm reboot", "vm resched", "vm migrate", "host remove"]
    assert ranking.best("reboot", known, lambda name: (name, name.split()[1]))[0] == "vm reboot"
    assert ranking.best("re", known, lambda name: (name, name.split()[1]))[-1] != "vm reboot"
    assert ranking.best("vm r", known, lambda name: (name,))[:3] == ["vm resume", "vm reboot", "vm resched"]
    assert ranking.best("mgt", known, lambda name: (name,)) == ["vm migrate"]
    assert ranking.best("r", known, lambda name: (name.split()[1],), ["reboot"])[0] == "vm reboot"
    assert ranking.rank("xyz", "vm resume") is None
    snapshots = ["drs snapshot", "vm snapshot-create"]
    assert ranking.best("snap", snapshots, lambda name: (name.split()[1],), near=lambda name: name[0] == "v")[0] == snapshots[1]


def test_whatever_is_listed_has_a_screen() -> None:
    assert {view.noun for view in VIEWS if view.noun} == set(SOURCES)


def test_screens_have_other_words() -> None:
    assert {word: view.name for word in ("vms", "Hosts", "ds", "tasks") if (view := named(word))} == {
        "vms": "vm", "Hosts": "host", "ds": "datastore", "tasks": "job",
    }  # fmt: skip
    assert named("nonsense") is None
