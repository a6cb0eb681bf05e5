"""What every engine keeps, in-process and through the socket. A test module imports the tests and gives the fixture
`engine`: one that works, on a new home. Hosts are simulated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nebula.engine.api.tables import Listing, Query
from nebula.engine.api.values import Accepted, Call, Detail, Event, JobView
from nebula.engine.api.verbs import Engine
from nebula.errors import (
    CommandError,
    ConflictError,
    NebulaError,
    NotFoundError,
    UsageError,
    WrongStateError,
)

PATIENCE = 60.0
"""Seconds after which a test gives up."""
DONE = 6000
"""The state DONE as lists hold it."""
VM = {"NAME": "web", "CPU": "1", "MEMORY": "512"}


def until(condition: Callable[[], Any]) -> Any:
    """What the condition found, as soon as it found something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        threading.Event().wait(0.02)
    raise AssertionError("it did not come about")


def ended(engine: Engine, accepted: Accepted) -> JobView:
    """The job of what was accepted, when it has ended."""
    job: JobView = until(lambda: found if (found := engine.jobs.show(accepted.job_id)).finished else None)
    return job


def done(engine: Engine, accepted: Accepted) -> Accepted:
    """What was accepted, when its job has ended well."""
    if accepted.job_id:
        job = ended(engine, accepted)
        assert job.state == "done", job.error
    return accepted


def add_host(engine: Engine, name: str) -> Accepted:
    return done(engine, engine.hosts.add({"name": name, "driver": "sim"}, Call()))


def state(engine: Engine, ref: str) -> str:
    return str(engine.vms.show(ref).body["state"])


def running(engine: Engine, name: str = "web") -> Accepted:
    """A VM that runs."""
    accepted = engine.vms.create({**VM, "NAME": name}, Call())
    until(lambda: state(engine, name) == "RUNNING")
    return accepted


def column(listing: Listing, name: str) -> list[Any]:
    return [row[listing.columns.index(name)] for row in listing.rows]


NOUNS = ("hosts", "clusters", "datastores", "images", "networks", "vms", "jobs")


# --- reading


def test_a_new_home_has_its_first_objects(engine: Engine) -> None:
    assert column(engine.clusters.list(Query(columns=("name",))), "name") == ["default"]
    assert "default" in column(engine.datastores.list(Query(columns=("name",))), "name")
    assert engine.hosts.list(Query()).rows == []
    assert engine.clusters.show("default").kind == "cluster"


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_lists(engine: Engine, noun: str) -> None:
    listing: Listing = getattr(engine, noun).list(Query())
    assert isinstance(listing, Listing)
    assert listing.columns
    assert all(len(row) == len(listing.columns) for row in listing.rows)


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if noun != "jobs"])
@pytest.mark.parametrize("ref", ["no-such-thing", "999999", "", " ", "'; DROP TABLE vm; --", "ü" * 400, "9" * 40])
def test_what_is_not_there_is_not_found(engine: Engine, noun: str, ref: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        getattr(engine, noun).show(ref)
    assert caught.value.hint


def test_a_job_that_is_not_there_is_not_found(engine: Engine) -> None:
    for number in (999_999, -1):
        with pytest.raises(NotFoundError):
            engine.jobs.show(number)


def names(engine: Engine, query: Query) -> list[Any]:
    return column(engine.clusters.list(query._replace(columns=("name",))), "name")


def test_lists_filter_sort_and_page(engine: Engine) -> None:
    for name in ("a1", "a2", "b1"):
        engine.clusters.create(name, Call())
    assert names(engine, Query(filters=(("name", "=", "a*"),), sort=("-name",))) == ["a2", "a1"]
    assert names(engine, Query(filters=(("name", "~", "^[ab]1$"),), sort=("name",))) == ["a1", "b1"]
    assert names(engine, Query(sort=("name",), limit=1, offset=1)) == ["a2"]


@pytest.mark.parametrize(
    "query",
    [
        Query(columns=("explode",)),
        Query(filters=(("explode", "=", "1"),)),
        Query(filters=(("name", "<>", "1"),)),
        Query(filters=(("name", "~", "("),)),
        Query(filters=(("id", "=", "abc"),)),
        Query(sort=("explode",)),
    ],
)
def test_a_list_that_makes_no_sense_is_a_usage_error(engine: Engine, query: Query) -> None:
    with pytest.raises(UsageError):
        engine.vms.list(query)


# --- changing


def test_a_cluster_from_birth_to_end(engine: Engine) -> None:
    made = engine.clusters.create("lab", Call())
    assert (made.kind, made.name, made.job_id) == ("cluster", "lab", 0)
    assert engine.clusters.rename("lab", "attic", Call()).id == made.id
    assert engine.clusters.show(str(made.id)).name == "attic"
    with pytest.raises(ConflictError):
        engine.clusters.create("attic", Call())
    engine.clusters.remove("attic", Call())
    with pytest.raises(NotFoundError):
        engine.clusters.show("attic")


@pytest.mark.parametrize("name", ["", " a", "7", "1..5", "a;b", "$(x)", "-a", "a" * 200, "a\nb", "a\0b"])
def test_names_that_would_be_mistaken_are_refused(engine: Engine, name: str) -> None:
    with pytest.raises(UsageError):
        engine.clusters.create(name, Call())


def test_a_repeated_key_gets_the_first_answer(engine: Engine) -> None:
    first = engine.vms.create(VM, Call(key="k1"))
    assert engine.vms.create(VM, Call(key="k1")) == first
    assert len(engine.vms.list(Query()).rows) == 1
    assert engine.vms.create(VM, Call(key="k2")).id != first.id


def test_a_key_is_good_for_one_even_when_all_come_at_once(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: engine.vms.create(VM, Call(key="k")), range(16)))
    assert len(set(map(repr, answers))) == 1
    assert len(engine.vms.list(Query()).rows) == 1


def test_a_dry_run_changes_nothing_and_says_what_it_would(engine: Engine) -> None:
    before = engine.system.status().last_event
    accepted = engine.vms.create(VM, Call(dry_run=True))
    assert accepted.would
    assert accepted.job_id == 0
    assert engine.clusters.create("lab", Call(dry_run=True)).would
    assert engine.vms.list(Query()).rows == []
    assert len(engine.clusters.list(Query()).rows) == 1
    assert engine.system.status().last_event == before


def test_a_refused_change_leaves_no_trace(engine: Engine) -> None:
    before = engine.system.status().last_event
    for template in ({"NAME": "x", "CPU": "-1"}, {"NAME": "x", "MEMORY": "0"}, {"NAME": "x", "NIC": [{"NETWORK": "none"}]}):
        with pytest.raises(NebulaError):
            engine.vms.create(template, Call())
    assert engine.vms.list(Query()).rows == []
    assert engine.system.status().last_event == before


def test_many_at_once_are_all_done(engine: Engine) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda number: engine.clusters.create(f"c{number}", Call()).id, range(48)))
    assert len(set(made)) == 48


# --- hosts and VMs


def test_a_host_is_looked_at_and_monitored(engine: Engine) -> None:
    made = add_host(engine, "kvm1")
    found = engine.hosts.show("kvm1", refresh=True)
    assert (found.id, found.body["state"]) == (made.id, "MONITORED")
    assert found.body["memory_mib"]["total"] > 0
    assert engine.hosts.check("kvm1") is not None
    engine.hosts.disable("kvm1", Call())
    assert engine.hosts.show("kvm1").body["state"] == "DISABLED"
    done(engine, engine.hosts.enable("kvm1", Call()))
    done(engine, engine.hosts.remove("kvm1", Call()))
    until(lambda: engine.hosts.list(Query()).rows == [])


def test_a_vm_from_birth_to_end(engine: Engine) -> None:
    add_host(engine, "kvm1")
    made = running(engine)
    assert engine.vms.show("web", refresh=True).body["host"] == "kvm1"
    done(engine, engine.vms.poweroff("web", Call(), hard=True))
    assert state(engine, "web") == "POWEROFF"
    done(engine, engine.vms.resume("web", Call()))
    assert state(engine, "web") == "RUNNING"
    done(engine, engine.vms.reboot("web", Call()))
    done(engine, engine.vms.terminate("web", Call(), hard=True))
    assert engine.vms.list(Query()).rows == []
    gone = engine.vms.list(Query(columns=("id", "state"), done=True))
    assert gone.rows == [[made.id, DONE]]
    assert engine.vms.history(str(made.id)).rows
    assert engine.vms.log(str(made.id))


def test_a_vm_moves_alive(engine: Engine) -> None:
    add_host(engine, "kvm1")
    add_host(engine, "kvm2")
    running(engine)
    source = engine.vms.show("web").body["host"]
    target = "kvm2" if source == "kvm1" else "kvm1"
    done(engine, engine.vms.migrate("web", target, Call(), live=True))
    assert (engine.vms.show("web").body["host"], state(engine, "web")) == (target, "RUNNING")
    with pytest.raises(ConflictError):
        engine.vms.migrate("web", target, Call(), live=True)


def test_a_host_is_evacuated(engine: Engine) -> None:
    add_host(engine, "kvm1")
    for name in ("a", "b"):
        running(engine, name)
    add_host(engine, "kvm2")
    done(engine, engine.hosts.evacuate("kvm1", Call()))
    hosts = column(engine.vms.list(Query(columns=("name", "host"))), "host")
    assert hosts == ["kvm2", "kvm2"]
    assert engine.hosts.show("kvm1").body["state"] == "DISABLED"


def test_a_vm_waits_and_says_why(engine: Engine) -> None:
    engine.vms.create(VM, Call())
    assert state(engine, "web") == "PENDING"
    assert engine.vms.describe("web").kind
    engine.vms.hold("web", Call())
    assert state(engine, "web") == "HOLD"
    add_host(engine, "kvm1")
    assert state(engine, "web") == "HOLD"
    engine.vms.release("web", Call())
    until(lambda: state(engine, "web") == "RUNNING")


def test_the_table_forbids_what_makes_no_sense_now(engine: Engine) -> None:
    engine.vms.create(VM, Call(), hold=True)
    for refused in (engine.vms.poweroff, engine.vms.resume, engine.vms.reboot, engine.vms.hold):
        with pytest.raises(WrongStateError) as caught:
            refused("web", Call())
        assert "HOLD" in str(caught.value)
    for way_in in (engine.vms.console, engine.vms.graphics):
        with pytest.raises(WrongStateError):
            way_in("web")


def test_attributes_change_and_secrets_stay_hidden(engine: Engine) -> None:
    engine.vms.create({**VM, "CONTEXT": {"PASSWORD": "swordfish"}}, Call(), hold=True)
    engine.vms.update("web", {"DESCRIPTION": "the shop", "LABEL": "ü"}, Call())
    found = engine.vms.show("web")
    assert found.body["template"]["DESCRIPTION"] == "the shop"
    assert "swordfish" not in repr(found)
    with pytest.raises(UsageError):
        engine.vms.update("web", {"MEMORY": "1024"}, Call())


def test_a_host_with_vms_stays(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    for refused in (engine.hosts.remove, engine.hosts.offline):
        with pytest.raises(ConflictError):
            refused("kvm1", Call())


def test_images_and_disks(engine: Engine) -> None:
    add_host(engine, "kvm1")
    engine.datastores.create({"name": "disks", "type": "image", "driver": "sim"}, Call())
    spec = {"name": "empty", "size": 1 << 30, "type": "datablock", "datastore": "disks"}
    made = done(engine, engine.images.create(spec, Call()))
    assert engine.images.show(str(made.id)).name == "empty"
    assert engine.images.catalogue()
    engine.vms.create({**VM, "DISK": [{"IMAGE": "empty"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    with pytest.raises(ConflictError):
        engine.images.remove("empty", Call())
    done(engine, engine.vms.terminate("web", Call(), hard=True))
    done(engine, engine.images.remove("empty", Call()))
    assert engine.images.list(Query()).rows == []


def test_networks_and_leases(engine: Engine) -> None:
    spec = {"name": "lan", "driver": "sim", "ranges": [{"TYPE": "IP4", "IP": "10.0.0.10", "SIZE": "3"}]}
    engine.networks.create(spec, Call())
    engine.networks.hold("lan", "10.0.0.10", Call())
    engine.vms.create({**VM, "NIC": [{"NETWORK": "lan"}]}, Call(), hold=True)
    assert engine.vms.show("web").body["addresses"] == ["10.0.0.11"]
    assert len(engine.networks.leases("lan").rows) == 2
    assert engine.networks.reserve("lan", "part", 1, Call(), first="10.0.0.12").name == "part"
    with pytest.raises(NebulaError):
        engine.vms.create({**VM, "NIC": [{"NETWORK": "lan"}]}, Call())
    with pytest.raises(ConflictError):
        engine.networks.remove("lan", Call())


# --- jobs and events


def test_a_job_can_be_looked_at(engine: Engine) -> None:
    accepted = add_host(engine, "kvm1")
    job = engine.jobs.show(accepted.job_id)
    assert (job.kind, job.target_kind, job.target_id, job.target) == ("host.setup", "host", accepted.id, "kvm1")
    assert job.id in column(engine.jobs.list(Query(columns=("id",))), "id")
    assert isinstance(engine.jobs.log(job.id), list)
    with pytest.raises(ConflictError):
        engine.jobs.cancel(job.id, Call())


def next_event(source: Any, kind: str) -> Event:
    found: Event = until(lambda: event if (event := next(source)) is not None and event.kind == kind else None)
    return found


def test_events_are_followed_from_where_one_was(engine: Engine) -> None:
    start = engine.system.status().last_event
    engine.clusters.create("a", Call())
    source: Any = engine.events.follow(start)
    assert next_event(source, "cluster.created").body["name"] == "a"
    engine.clusters.create("b", Call())
    event = next_event(source, "cluster.created")
    assert (event.body["name"], event.object_kind) == ("b", "cluster")
    source.close()
    assert [found.seq for found in engine.events.list(start)] == list(range(start + 1, event.seq + 1))


def test_following_lets_the_caller_look_around(engine: Engine) -> None:
    source: Any = engine.events.follow(engine.system.status().last_event)
    until(lambda: next(source) is None)
    source.close()


def test_many_follow_and_all_see_the_same(engine: Engine) -> None:
    start = engine.system.status().last_event

    def follow(_: int) -> list[str]:
        source: Any = engine.events.follow(start)
        seen = [str(next_event(source, "cluster.created").body["name"]) for _ in range(10)]
        source.close()
        return seen

    with ThreadPoolExecutor(9) as pool:
        seen = [pool.submit(follow, number) for number in range(8)]
        for number in range(10):
            engine.clusters.create(f"c{number}", Call())
        assert all(found.result(PATIENCE) == [f"c{number}" for number in range(10)] for found in seen)


# --- ways in


def test_a_console_answers(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    stream = engine.vms.console("web")
    seen = bytearray()

    def shows(words: bytes) -> bool:
        seen.extend(stream.read(0.5))
        return words in seen

    until(lambda: shows(b"login:"))
    stream.write(b"root\r")
    until(lambda: shows(b"root"))
    stream.close()


def test_a_console_ends_with_its_vm(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    stream = engine.vms.console("web")
    done(engine, engine.vms.poweroff("web", Call(), hard=True))

    def over() -> bool:
        try:
            stream.read(0.5)
        except EOFError:
            return True
        return False

    until(over)
    stream.close()


def test_a_simulated_host_has_no_graphics_to_lead_to(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    with pytest.raises(CommandError, match="kvm1"):
        engine.vms.graphics("web")


# --- the engine itself


def test_the_engine_says_how_it_is(engine: Engine, tmp_path: Path) -> None:
    status = engine.system.status()
    assert status.owner_pid > 0
    assert status.protocol == 1
    assert status.counts["cluster"] == 1
    assert all(finding.level == "ok" for finding in engine.system.check())
    copy = engine.system.backup(str(tmp_path / "copy.db"))
    assert Path(copy).stat().st_size > 0
    with pytest.raises(NebulaError):
        engine.system.backup(copy)
    assert engine.system.stop(Call(dry_run=True)).kind


def test_answers_are_plain_enough_for_any_way(engine: Engine) -> None:
    """The same value, whether it went over the socket or not: no tuples, no keys that are no text, inside of bodies."""
    add_host(engine, "kvm1")
    running(engine)
    shown: list[Detail] = [engine.vms.show("web"), engine.vms.describe("web"), engine.hosts.show("kvm1")]
    shown += [engine.clusters.show("default"), engine.datastores.show("default")]
    for detail in shown:
        assert msgspec.json.decode(msgspec.json.encode(detail.body)) == detail.body
    for noun in NOUNS:
        rows = getattr(engine, noun).list(Query()).rows
        assert msgspec.json.decode(msgspec.json.encode(rows)) == rows
    for event in engine.events.list():
        assert msgspec.json.decode(msgspec.json.encode(event.body)) == event.body
