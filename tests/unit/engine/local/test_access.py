"""Who may do what: owner, group, others, and administrators."""

from __future__ import annotations

import inspect
import os
import pwd
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call, Event
from nebula.engine.api.verbs import Engine
from nebula.engine.local.access import Right, may, mode_of, mode_text, permitted
from nebula.engine.local.base import usable
from nebula.engine.local.guard import seen_by
from nebula.engine.local.rules import KINDS, RULES
from nebula.engine.local.vms import LocalVms
from nebula.engine.people import Person, SystemPeople
from nebula.engine.store.rows import TemplateRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, DeniedError, NotFoundError, UsageError
from nebula.rpc.methods import every
from tests.support.sim import Sim, template

ALICE, BOB, CAROL = (
    Person("alice", frozenset({"alice", "staff"}), "alice"),
    Person("bob", frozenset({"bob", "staff"}), "bob"),
    Person("carol", frozenset({"carol"}), "carol"),
)
PEOPLE = {person.name: person for person in (ALICE, BOB, CAROL)}


def as_(sim: Sim, person: Person) -> Engine:
    return seen_by(sim.engine, person)


def call(person: Person) -> Call:
    return Call(actor=person.name)


def names(engine: Engine, noun: str) -> set[str]:
    return {row[0] for row in getattr(engine, noun).list(Query(columns=("name",))).rows}


@pytest.fixture
def vms(sim: Sim) -> Sim:
    """One VM of each person, on hold; bob's group may use his, carol's may be used by all."""
    sim.engine.images.chmod("base", "644", Call())
    for person in PEOPLE.values():
        as_(sim, person).vms.create(template(f"of-{person.name}"), call(person), hold=True)
    for name, group, mode in (("of-bob", "staff", 0o640), ("of-carol", "carol", 0o604)):
        sim.engine.services.store.write(partial(_share, name, group, mode))
    return sim


def _share(name: str, group: str, mode: int, tx: Transaction) -> None:
    found = tx.first(VmRow, '"name"=?', (name,))
    assert found is not None
    tx.swap(found, group=group, mode=mode)


def test_every_verb_has_its_rule_and_no_rule_is_without_a_verb() -> None:
    wanted = {(method.noun, method.verb) for method in every()}
    assert {(noun, verb) for noun, verbs in RULES.items() for verb in verbs} == wanted


def test_rules_on_objects_are_of_verbs_that_name_one(sim: Sim) -> None:
    for noun, verbs in RULES.items():
        for verb, rule in verbs.items():
            if rule.right is not None:
                assert noun in KINDS, (noun, verb)
                assert "ref" in inspect.signature(getattr(getattr(sim.engine, noun), verb)).parameters, (noun, verb)


def test_lists_show_what_one_may_use(vms: Sim) -> None:
    assert names(as_(vms, ALICE), "vms") == {"of-alice", "of-bob", "of-carol"}
    assert names(as_(vms, BOB), "vms") == {"of-bob", "of-carol"}
    assert names(as_(vms, CAROL), "vms") == {"of-carol"}
    assert names(vms.engine, "vms") == {"of-alice", "of-bob", "of-carol"}
    filtered = as_(vms, BOB).vms.list(Query(columns=("name",), filters=(("name", "=", "of-a*"),)))
    assert filtered.rows == []
    matched = as_(vms, BOB).vms.list(Query(columns=("name",), filters=(("name", "~", "of-"),), sort=("-name",)))
    assert [row[0] for row in matched.rows] == ["of-carol", "of-bob"]


def test_verbs_want_their_right(vms: Sim) -> None:
    alice, bob = as_(vms, ALICE), as_(vms, BOB)
    assert bob.vms.show("of-bob").name == "of-bob"
    assert alice.vms.show("of-bob").body["owner"] == "bob"
    alice.vms.release("of-alice", call(ALICE))
    for refused in (
        lambda: bob.vms.show("of-alice"),
        lambda: alice.vms.release("of-bob", call(ALICE)),
        lambda: alice.vms.terminate("of-carol", call(ALICE)),
        lambda: bob.vms.deploy("of-bob", "h1", call(BOB)),
        lambda: bob.hosts.disable("h1", call(BOB)),
        lambda: bob.networks.create({"name": "x"}, call(BOB)),
        lambda: bob.images.create({"name": "shadow", "path": "/etc/shadow"}, call(BOB)),
        lambda: bob.system.backup("/tmp/x"),
        lambda: bob.drs.show(1),
        lambda: bob.vms.chown("of-bob", "alice", call(BOB)),
    ):
        with pytest.raises(DeniedError) as caught:
            refused()
        assert caught.value.hint
    assert vms.engine.vms.show("of-bob").body["state"] == "HOLD"


def test_of_several_of_one_name_those_are_meant_that_one_may_use(vms: Sim) -> None:
    for person in (ALICE, CAROL):
        as_(vms, person).vms.create(template("web"), call(person), hold=True)
    shown = as_(vms, ALICE).vms.show("web")
    assert shown.body["owner"] == "alice"
    with pytest.raises(ConflictError):
        vms.engine.vms.show("web")
    with pytest.raises(NotFoundError, match="there is no vm 'nothing'"):
        as_(vms, ALICE).vms.show("nothing")
    with pytest.raises(NotFoundError) as caught:
        as_(vms, CAROL).vms.show("of-alic")
    assert "of-alice" not in caught.value.hint, "nobody hears of others' names"


def test_the_right_is_looked_at_again_within_the_transaction(vms: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    release = LocalVms.release

    def after_a_while(noun: LocalVms, ref: str, call: Call) -> Any:
        vms.engine.vms.chmod("of-bob", "400", Call())
        return release(noun, ref, call)

    monkeypatch.setattr(LocalVms, "release", after_a_while)
    with pytest.raises(DeniedError):
        as_(vms, BOB).vms.release("of-bob", call(BOB))
    assert vms.engine.vms.show("of-bob").body["state"] == "HOLD"


def test_modes_are_changed_by_those_who_may(vms: Sim) -> None:
    bob = as_(vms, BOB)
    bob.vms.chmod("of-bob", "660", call(BOB))
    as_(vms, ALICE).vms.release("of-bob", call(ALICE))
    with pytest.raises(DeniedError):
        bob.vms.chmod("of-bob", "760", call(BOB))
    vms.engine.vms.chmod("of-bob", "700", Call())
    bob.vms.chmod("of-bob", "710", call(BOB))
    with pytest.raises(DeniedError):
        bob.vms.chgrp("of-bob", "wheel", call(BOB))
    for mode in ("64", "0640", "888", "u+x", ""):
        with pytest.raises(UsageError):
            vms.engine.vms.chmod("of-bob", mode, Call())


def test_owners_and_groups_must_exist(vms: Sim) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    vms.engine.vms.chown("of-bob", me, Call())
    assert vms.vm("of-bob").owner == me
    with pytest.raises(NotFoundError):
        vms.engine.vms.chown("of-bob", "nobody-of-that-name", Call())
    with pytest.raises(NotFoundError):
        vms.engine.vms.chgrp("of-bob", "no-such-group", Call())
    dry = vms.engine.vms.chmod("of-bob", "644", Call(dry_run=True))
    assert dry.would == (f"mode of vm of-bob ({dry.id}): 640 to 644",)
    assert vms.vm("of-bob").mode == 0o640


def test_a_vm_is_made_of_what_one_may_use(sim: Sim) -> None:
    alice = as_(sim, ALICE)
    with pytest.raises(DeniedError, match="alice may not use image base"):
        alice.vms.create(template("web"), call(ALICE))
    sim.engine.images.chmod("base", "644", Call())
    sim.engine.networks.chmod("lan", "600", Call())
    with pytest.raises(DeniedError, match="alice may not use network lan"):
        alice.vms.create(template("web"), call(ALICE))
    sim.engine.networks.chmod("lan", "644", Call())
    made = alice.vms.create(template("web"), call(ALICE))
    row = sim.vm("web")
    assert (made.id, row.owner, row.mode) == (row.id, "alice", 0o600)
    with pytest.raises(DeniedError, match="RAW/DATA"):
        alice.vms.create({**template("raw"), "RAW": {"DATA": "<a/>"}}, call(ALICE))


def test_a_vm_gets_nothing_that_only_administrators_may_set(vms: Sim) -> None:
    vms.add_image("private")
    alice = as_(vms, ALICE)
    for changes in ({"raw": {"type": "kvm", "data": "<a/>"}}, {"USER_PRIORITY": "9"}, {"RNG": {"SOURCE": "/etc/shadow"}}):
        with pytest.raises(DeniedError):
            alice.vms.update("of-alice", changes, call(ALICE))
    limited = {"inbound_avg_bw": "100"}
    attempts: tuple[Callable[[], object], ...] = (
        lambda: alice.vms.nic_update("of-alice", "0", limited, call(ALICE)),
        lambda: alice.vms.nic_attach("of-alice", {"network": "lan", **limited}, call(ALICE)),
        lambda: alice.vms.disk_attach("of-alice", {"size": "64", "total_iops_sec": "9"}, call(ALICE)),
        lambda: alice.vms.disk_attach("of-alice", {"image": "private"}, call(ALICE)),
    )
    for attempt in attempts:
        with pytest.raises(DeniedError):
            attempt()
    with pytest.raises(DeniedError, match="OS/FIRMWARE"):
        alice.vms.create({**template("x"), "OS": {"FIRMWARE": "/etc/shadow"}}, call(ALICE))
    alice.vms.create({**template("y"), "OS": {"FIRMWARE": "UEFI"}}, call(ALICE), hold=True)
    vms.engine.vms.update("of-alice", {"USER_PRIORITY": "9"}, Call())
    alice.vms.update("of-alice", {"USER_PRIORITY": "9", "MINE": "1"}, call(ALICE))


def test_jobs_and_events_are_ones_own_and_those_on_what_one_may_use(vms: Sim) -> None:
    before = vms.engine.events.last()
    for person in (ALICE, CAROL):
        as_(vms, person).vms.release(f"of-{person.name}", call(person))
    vms.settle()
    alice, carol = as_(vms, ALICE), as_(vms, CAROL)
    job = alice.jobs.list(Query(columns=("id", "name"), filters=(("kind", "=", "vm.deploy"),))).rows
    assert {row[1] for row in job} == {"of-alice", "of-carol"}, "what others may use shows its jobs, too"
    assert {row[1] for row in carol.jobs.list(Query(columns=("id", "name"), filters=(("kind", "=", "vm.deploy"),))).rows} == {
        "of-carol"
    }
    number = next(row[0] for row in job if row[1] == "of-alice")
    assert alice.jobs.show(number).target == "of-alice"
    with pytest.raises(DeniedError):
        carol.jobs.show(number)
    with pytest.raises(DeniedError):
        carol.jobs.log(number)
    with pytest.raises(DeniedError):
        carol.jobs.cancel(number, call(CAROL))
    theirs = [event for event in carol.events.list(before) if event.object_kind == "vm"]
    assert {event.object_id for event in theirs} == {vms.vm("of-carol").id}
    rows = carol.events.table(Query(columns=("object_kind", "object_id"), filters=(("object_kind", "=", "vm"),))).rows
    assert {row[1] for row in rows} == {vms.vm("of-carol").id}
    followed: Any = carol.events.follow(before)
    first: Event | None = next(followed)
    followed.close()
    assert first is not None
    assert first.object_id == vms.vm("of-carol").id or first.object_kind != "vm"


def test_figures_are_of_what_one_may_use(vms: Sim) -> None:
    for person in (ALICE, CAROL):
        as_(vms, person).vms.release(f"of-{person.name}", call(person))
    vms.settle()
    assert {row[1] for row in as_(vms, CAROL).metrics.top("vm").rows} <= {"of-carol"}
    assert as_(vms, CAROL).metrics.top("host") is not None
    with pytest.raises(DeniedError):
        as_(vms, CAROL).metrics.series("vm", "of-alice", 0.0)
    assert as_(vms, CAROL).metrics.series("vm", "of-carol", 0.0).columns[0] == "at"


def test_a_request_that_is_repeated_gets_its_answer_although_nothing_is_left(sim: Sim) -> None:
    alice, again = as_(sim, ALICE), Call(actor="alice", key="once")
    alice.templates.create({"NAME": "t", "MEMORY": "64"}, call(ALICE))
    first = alice.templates.remove("t", again)
    assert alice.templates.remove("t", again) == first
    with pytest.raises(NotFoundError):
        as_(sim, BOB).templates.remove("t", Call(actor="bob", key="once"))


def test_groups_of_vms_are_their_owners(sim: Sim) -> None:
    spec = {"name": "shop", "roles": [{"name": "web"}]}
    as_(sim, ALICE).vmgroups.create(spec, call(ALICE))
    with pytest.raises(DeniedError):
        as_(sim, BOB).vmgroups.remove("shop", call(BOB))
    as_(sim, ALICE).vmgroups.rename("shop", "store", call(ALICE))


def test_administrators_are_root_and_the_engines_own_user(sim: Sim) -> None:
    people = SystemPeople()
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert people.person(me).admin
    assert people.person("root").admin
    assert people.group_of(me)
    assert people.person("nobody-of-that-name") == Person("nobody-of-that-name")
    assert not people.person("nobody").admin or me == "nobody"
    assert sim.engine.seen_by("root") is sim.engine
    assert sim.engine.seen_by("nobody-of-that-name") is not sim.engine
    with pytest.raises(AttributeError):
        sim.engine.seen_by("nobody-of-that-name").vms._change  # type: ignore[attr-defined]  # noqa: B018


MODES = st.integers(0, 0o777)
ANYBODY = st.sampled_from([*PEOPLE.values(), Person("", admin=True)])


@given(
    ANYBODY, st.sampled_from(["alice", "bob", "dora"]), st.sampled_from(["staff", "carol", ""]), MODES, st.sampled_from(Right)
)
def test_rows_and_lists_agree(person: Person, owner: str, group: str, mode: int, right: Right) -> None:
    row = TemplateRow(id=1, name="x", owner=owner, group=group, mode=mode)
    database = sqlite3.connect(":memory:")
    database.execute('CREATE TABLE "template" ("owner", "group", "mode")')
    database.execute("INSERT INTO template VALUES (?, ?, ?)", (owner, group, mode))
    condition = permitted(person, "template", right)
    sql = f"SELECT 1 FROM template WHERE {condition.sql}"  # noqa: S608 - the condition is what is tested
    assert bool(database.execute(sql, tuple(condition.parameters)).fetchall()) == may(person, row, right)
    assert mode_of(mode_text(mode)) == mode
    database.close()


def test_usable_finds_what_is_gone_only_where_that_is_meant(vms: Sim) -> None:
    as_(vms, ALICE).vms.terminate("of-alice", call(ALICE))
    vms.settle()
    queries = vms.engine.services.store.read()
    assert usable(queries, VmRow, "of-alice", ALICE, ended=True).state == 6
    with pytest.raises(NotFoundError):
        usable(queries, VmRow, "of-alice", ALICE)
    assert as_(vms, ALICE).vms.log("of-alice")
