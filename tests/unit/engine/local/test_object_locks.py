"""Locks of objects: what their levels keep off, who passes, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.engine.local.rules import KINDS, RULES
from nebula.errors import DeniedError, UsageError
from tests.support.sim import CALL, Sim
from tests.unit.engine.local.test_access import ALICE, BOB, as_, call

WEB = {"NAME": "web", "MEMORY": "64"}


@pytest.fixture
def shared(sim: Sim) -> Sim:
    """A template of alice's that everybody may do everything with."""
    as_(sim, ALICE).templates.create(WEB, call(ALICE))
    sim.engine.templates.chmod("web", "777", CALL)
    return sim


@pytest.mark.parametrize(
    ("level", "passes"),
    [("use", set()), ("all", set()), ("manage", {"use"}), ("admin", {"use", "manage"})],
)
def test_a_level_keeps_off_itself_and_what_is_above(shared: Sim, level: str, passes: set[str]) -> None:
    bob = as_(shared, BOB)
    as_(shared, ALICE).templates.lock("web", level, call(ALICE))
    deeds: dict[str, Callable[[], object]] = {
        "use": lambda: bob.templates.clone("web", f"copy-{level}", call(BOB)),
        "manage": lambda: bob.templates.update("web", {"MEMORY": "128"}, call(BOB)),
        "admin": lambda: bob.templates.chmod("web", "776", call(BOB)),
    }
    for right, deed in deeds.items():
        if right in passes:
            deed()
            continue
        with pytest.raises(DeniedError, match=r"template web \(1\) is locked") as caught:
            deed()
        assert "alice locked it on 2" in caught.value.cause
        assert caught.value.hint.startswith("nebula template unlock 1, which alice")
    assert bob.templates.show("web").body["lock"]["by"] == "alice"


def test_an_owner_is_kept_off_too_and_administrators_pass(shared: Sim) -> None:
    alice = as_(shared, ALICE)
    alice.templates.lock("web", "use", call(ALICE))
    with pytest.raises(DeniedError, match="is locked"):
        alice.templates.remove("web", call(ALICE))
    shared.engine.templates.update("web", {"MEMORY": "128"}, CALL)
    alice.templates.unlock("web", call(ALICE))
    assert "lock" not in alice.templates.show("web").body
    alice.templates.unlock("web", call(ALICE))
    alice.templates.remove("web", call(ALICE))


def test_who_locked_it_and_administrators_unlock(shared: Sim) -> None:
    bob = as_(shared, BOB)
    as_(shared, ALICE).templates.lock("web", "manage", call(ALICE))
    with pytest.raises(DeniedError, match="is locked"):
        bob.templates.unlock("web", call(BOB))
    with pytest.raises(DeniedError, match="is locked"):
        bob.templates.lock("web", "admin", call(BOB))
    shared.engine.templates.unlock("web", CALL)
    bob.templates.lock("web", "admin", call(BOB))
    rows = bob.templates.list(Query(columns=("name", "lock", "locked_by"))).rows
    assert [tuple(row) for row in rows] == [("web", "admin", "bob")]
    with pytest.raises(UsageError, match="no level"):
        bob.templates.lock("web", "much", call(BOB))


def test_what_is_locked_is_no_part_of_a_new_vm(sim: Sim) -> None:
    sim.engine.images.chmod("base", "644", CALL)
    for noun, name in (("images", "base"), ("networks", "lan")):
        nouns = getattr(sim.engine, noun)
        nouns.lock(name, "use", CALL)
        template = {"NAME": "one", "MEMORY": "64", "DISK": [{"IMAGE": "base"}], "NIC": [{"NETWORK": "lan"}]}
        with pytest.raises(DeniedError, match=f"{name} .* is locked"):
            as_(sim, BOB).vms.create(template, call(BOB))
        nouns.unlock(name, CALL)
    as_(sim, BOB).vms.create(template, call(BOB))


def test_a_vm_that_is_locked_stays_as_it_is(sim: Sim) -> None:
    sim.engine.images.chmod("base", "644", CALL)
    bob = as_(sim, BOB)
    bob.vms.create({"NAME": "one", "MEMORY": "64", "DISK": [{"IMAGE": "base"}]}, call(BOB), hold=True)
    bob.vms.lock("one", "manage", call(BOB))
    with pytest.raises(DeniedError, match=r"vm one \(1\) is locked"):
        bob.vms.terminate("one", call(BOB))
    assert bob.vms.describe("one").body["lock"]["level"] == "manage"
    assert bob.vms.log("one")
    sim.engine.vms.release("one", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    bob.vms.unlock("one", call(BOB))
    bob.vms.terminate("one", call(BOB))


def test_a_dry_run_says_what_would_be(shared: Sim) -> None:
    dry = Call(actor="alice", dry_run=True)
    assert as_(shared, ALICE).templates.lock("web", "use", dry).would == ("template web (1): would be locked",)
    assert "lock" not in shared.engine.templates.show("web").body


def test_groups_of_vms_are_shared_and_locked_as_all_else(sim: Sim) -> None:
    alice, bob = as_(sim, ALICE), as_(sim, BOB)
    alice.vmgroups.create({"name": "shop", "roles": [{"name": "web"}]}, call(ALICE))
    member = {**WEB, "VMGROUP": "shop:web"}
    bob.vms.create(member, call(BOB), hold=True)
    alice.vmgroups.chmod("shop", "600", call(ALICE))
    with pytest.raises(DeniedError, match="may not use vmgroup shop"):
        bob.vms.create({**member, "NAME": "other"}, call(BOB))
    assert bob.vmgroups.list(Query(columns=("name",))).rows == []
    alice.vmgroups.chgrp("shop", "staff", call(ALICE))
    alice.vmgroups.chmod("shop", "660", call(ALICE))
    bob.vmgroups.update("shop", {"roles": [{"name": "db"}]}, call(BOB))
    alice.vmgroups.lock("shop", "use", call(ALICE))
    with pytest.raises(DeniedError, match="is locked"):
        bob.vms.create({**member, "NAME": "other"}, call(BOB))


def test_what_only_looks_passes_every_lock() -> None:
    looking = {"show", "leases", "text", "describe", "explain", "log", "history", "addresses", "disk_snapshots", "snapshots"}
    for noun in KINDS:
        for verb, rule in RULES[noun].items():
            if rule.right is not None:
                assert rule.despite_lock is (verb in looking | {"definition", "screenshot"}), (noun, verb)
