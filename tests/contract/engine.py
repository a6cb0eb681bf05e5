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
from nebula.engine.api.values import Accepted, Call, Detail, Event, Executed, FilePart, JobView
from nebula.engine.api.verbs import Engine
from nebula.errors import (
    CommandError,
    ConflictError,
    DeniedError,
    NebulaError,
    NotFoundError,
    UsageError,
    WrongStateError,
)

PATIENCE = 150.0
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


def seen(engine: Engine, ref: str, *names: str) -> tuple[Any, ...]:
    """Several facts of a VM at one moment."""
    body = engine.vms.show(ref).body
    return tuple(body[name] for name in names)


def running(engine: Engine, name: str = "web") -> Accepted:
    """A VM that runs."""
    accepted = engine.vms.create({**VM, "NAME": name}, Call())
    until(lambda: state(engine, name) == "RUNNING")
    return accepted


def column(listing: Listing, name: str) -> list[Any]:
    return [row[listing.columns.index(name)] for row in listing.rows]


NOUNS = (
    "hosts",
    "clusters",
    "datastores",
    "images",
    "networks",
    "templates",
    "vms",
    "vmgroups",
    "schedules",
    "jobs",
    "securitygroups",
)


# --- reading


def test_a_new_home_has_its_first_objects(engine: Engine) -> None:
    assert column(engine.clusters.list(Query(columns=("name",))), "name") == ["default"]
    assert "default" in column(engine.datastores.list(Query(columns=("name",))), "name")
    assert engine.hosts.list(Query()).rows == []
    assert engine.clusters.show("default").kind == "cluster"


def test_every_noun_lists(engine: Engine) -> None:
    for noun in NOUNS:
        listing: Listing = getattr(engine, noun).list(Query())
        assert isinstance(listing, Listing), noun
        assert listing.columns, noun
        assert all(len(row) == len(listing.columns) for row in listing.rows), noun


NOWHERE = ("no-such-thing", "999999", "", " ", "'; DROP TABLE vm; --", "ü" * 400, "9" * 40)


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if noun != "jobs"])
def test_what_is_not_there_is_not_found(engine: Engine, noun: str) -> None:
    for ref in NOWHERE:
        with pytest.raises(NotFoundError) as caught:
            getattr(engine, noun).show(ref)
        assert caught.value.hint, ref


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


NONSENSE = (
    Query(columns=("explode",)),
    Query(filters=(("explode", "=", "1"),)),
    Query(filters=(("name", "<>", "1"),)),
    Query(filters=(("name", "~", "("),)),
    Query(filters=(("id", "=", "abc"),)),
    Query(sort=("explode",)),
)


def test_a_list_that_makes_no_sense_is_a_usage_error(engine: Engine) -> None:
    for query in NONSENSE:
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


def test_names_that_would_be_mistaken_are_refused(engine: Engine) -> None:
    for name in ("", " a", "7", "1..5", "a;b", "$(x)", "-a", "a" * 200, "a\nb", "a\0b"):
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


def test_a_vm_is_suspended_stopped_and_undeployed_and_comes_back(engine: Engine) -> None:
    add_host(engine, "kvm1")
    engine.datastores.create({"name": "disks", "type": "image", "driver": "sim"}, Call())
    done(engine, engine.images.create({"name": "empty", "size": 1 << 20, "datastore": "disks"}, Call()))
    engine.vms.create({**VM, "DISK": [{"IMAGE": "empty"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    done(engine, engine.vms.suspend("web", Call()))
    assert (state(engine, "web"), engine.vms.show("web", refresh=True).body["host"]) == ("SUSPENDED", "kvm1")
    done(engine, engine.vms.resume("web", Call()))
    assert state(engine, "web") == "RUNNING"
    for leave, place in ((engine.vms.stop, "STOPPED"), (engine.vms.undeploy, "UNDEPLOYED")):
        done(engine, leave("web", Call()))
        assert (state(engine, "web"), engine.vms.show("web").body["host"]) == (place, None)
        assert engine.hosts.show("kvm1").body["vms"] == 0
        engine.vms.resume("web", Call())
        until(lambda: state(engine, "web") == "RUNNING")


def test_disks_cards_and_size_change_while_a_vm_runs(engine: Engine) -> None:
    add_host(engine, "kvm1")
    engine.datastores.create({"name": "disks", "type": "image", "driver": "sim"}, Call())
    done(engine, engine.images.create({"name": "empty", "size": 1 << 20, "datastore": "disks"}, Call()))
    spec = {"name": "lan", "driver": "sim", "ranges": [{"TYPE": "IP4", "IP": "10.0.0.10", "SIZE": "3"}]}
    engine.networks.create(spec, Call())
    engine.vms.create({**VM, "MEMORY_MAX": "1024", "DISK": [{"IMAGE": "empty"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    done(engine, engine.vms.disk_attach("web", {"SIZE": 8}, Call()))
    done(engine, engine.vms.disk_resize("web", "vdb", 16, Call()))
    assert [disk["size"] >> 20 for disk in engine.vms.show("web").body["disks"]] == [1, 16]
    engine.datastores.create({"name": "others", "type": "image", "driver": "sim"}, Call())
    done(engine, engine.vms.disk_move("web", "vdb", "others", Call()))
    others = engine.datastores.show("others").id
    assert [disk["datastore_id"] == others for disk in engine.vms.show("web").body["disks"]] == [False, True]
    with pytest.raises(ConflictError):
        engine.vms.disk_move("web", "vdb", "others", Call())
    done(engine, engine.vms.disk_detach("web", "vdb", Call()))
    done(engine, engine.vms.nic_attach("web", {"NETWORK": "lan"}, Call()))
    done(engine, engine.vms.nic_update("web", "0", {"INBOUND_AVG_BW": 1000}, Call()))
    assert engine.vms.show("web").body["addresses"] == ["10.0.0.10"]
    done(engine, engine.vms.nic_detach("web", "0", Call()))
    done(engine, engine.vms.resize("web", {"MEMORY": "1024"}, Call()))
    assert engine.hosts.show("kvm1").body["memory_mib"]["promised"] == 1024
    with pytest.raises(ConflictError):
        engine.vms.resize("web", {"MEMORY": "2048"}, Call())


def test_a_marked_vm_is_moved_when_a_host_can_take_it(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    engine.vms.resched("web", Call())
    assert engine.vms.show("web").body["resched"] is True
    engine.vms.unresched("web", Call())
    engine.vms.resched("web", Call())
    add_host(engine, "kvm2")
    until(lambda: seen(engine, "web", "host", "state", "resched") == ("kvm2", "RUNNING", False))


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
    for way_in in (engine.vms.console, engine.vms.graphics, engine.vms.screenshot, engine.vms.addresses, engine.vms.definition):
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
    rows = engine.events.table(Query(columns=("seq", "kind"), filters=(("seq", ">", str(start)),))).rows
    assert rows == [[found.seq, found.kind] for found in reversed(engine.events.list(start))]


def test_following_lets_the_caller_look_around(engine: Engine) -> None:
    source: Any = engine.events.follow(engine.system.status().last_event)
    until(lambda: next(source) is None)
    engine.clusters.create("a", Call())
    assert next_event(source, "cluster.created").body["name"] == "a", "it goes on after a look around"
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
    assert state(engine, "web") == "POWEROFF"
    stream.close()


def test_a_simulated_host_has_no_graphics_to_lead_to(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    with pytest.raises(CommandError, match="kvm1"):
        engine.vms.graphics("web")


def finished(engine: Engine, pid: int) -> Executed:
    return until(lambda: found if (found := engine.vms.executed("web", pid, Call(), wait=1.0)).ended else None)  # type: ignore[no-any-return]


def test_a_program_runs_in_a_guest(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    told = finished(engine, engine.vms.execute("web", ["cat"], Call(), stdin=b"\xff\0 text"))
    assert (told.status, told.signal, told.stdout, told.stderr, told.cut) == (0, 0, b"\xff\0 text", b"", False)
    told = finished(engine, engine.vms.execute("web", ["complain"], Call()))
    assert (told.status, told.stdout, told.stderr) == (3, b"", b"it hurts\n")
    pid = engine.vms.execute("web", ["sleep", "3600"], Call())
    assert not engine.vms.executed("web", pid, Call()).ended
    engine.vms.kill("web", pid, Call())
    assert finished(engine, pid).signal == 9
    for words in (["no-such-program"], []):
        with pytest.raises(NebulaError):
            engine.vms.execute("web", words, Call())
    with pytest.raises(NebulaError):
        engine.vms.executed("web", pid, Call())


def test_files_go_into_a_guest_and_come_out(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    data = bytes(range(256)) * 300
    handle = engine.vms.open_file("web", "/tmp/x", "write", Call())
    for _ in range(2):
        assert engine.vms.write_file("web", handle, 0, data[:50_000], Call()) == 50_000
    assert engine.vms.write_file("web", handle, 50_000, data[50_000:], Call()) == len(data) - 50_000
    engine.vms.close_file("web", handle, Call())
    handle = engine.vms.open_file("web", "/tmp/x", "read", Call())
    for _ in range(2):
        assert engine.vms.read_file("web", handle, 10, 50_000, Call()).data == data[10:50_010]
    rest = engine.vms.read_file("web", handle, 50_010, 1 << 20, Call())
    assert (rest.data, rest.end) == (data[50_010:], False)
    assert engine.vms.read_file("web", handle, len(data), 10, Call()) == FilePart(data=b"", end=True)
    engine.vms.close_file("web", handle, Call())
    with pytest.raises(NebulaError, match="No such file"):
        engine.vms.open_file("web", "/nothing", "read", Call())
    with pytest.raises(UsageError):
        engine.vms.open_file("web", "relative", "read", Call())


def test_a_guest_without_an_agent_says_what_to_install(engine: Engine) -> None:
    add_host(engine, "kvm1")
    engine.vms.create({**VM, "FEATURES": {"GUEST_AGENT": "no"}}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    with pytest.raises(ConflictError) as caught:
        engine.vms.execute("web", ["true"], Call())
    assert "qemu-guest-agent" in caught.value.hint
    with pytest.raises(ConflictError):
        engine.vms.open_file("web", "/x", "read", Call())


def test_a_definition_is_what_the_host_has(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    assert f"<uuid>{engine.vms.show('web').body['uuid']}</uuid>" in engine.vms.definition("web")


def test_a_screen_is_a_picture(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    assert engine.vms.screenshot("web").startswith(b"\x89PNG\r\n\x1a\n")


def test_addresses_are_those_leased_and_those_seen(engine: Engine) -> None:
    add_host(engine, "kvm1")
    engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.0.0.9", "SIZE": 4}]}, Call())
    engine.networks.create({"name": "dhcp", "driver": "sim", "ranges": [{"TYPE": "ETHER", "SIZE": 4}]}, Call())
    engine.datastores.create({"name": "disks", "driver": "sim"}, Call())
    spec = {"name": "empty", "size": 1 << 30, "type": "datablock", "datastore": "disks"}
    done(engine, engine.images.create(spec, Call()))
    engine.vms.create({**VM, "DISK": [{"IMAGE": "empty"}], "NIC": [{"NETWORK": "lan"}, {"NETWORK": "dhcp"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    found = engine.vms.addresses("web")
    assert found[0].address == "10.0.0.9"
    assert [item.source for item in found] == ["lease", "neighbours"], found
    assert [item.mac for item in found] == [nic["mac"] for nic in engine.vms.show("web").body["nics"]]


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


def test_guests_report_by_tokens_that_nobody_else_has(engine: Engine) -> None:
    told = engine.onegate.set("10.0.0.1:5030", Call(), "http://gate:5030")
    assert (told.kind, told.job_id) == ("engine", 0)
    shown = engine.onegate.show()
    assert (shown.listen, shown.endpoint, shown.listening) == ("10.0.0.1:5030", "http://gate:5030", False)
    vm = engine.vms.create({**VM, "CONTEXT": {"TOKEN": "YES"}}, Call(), hold=True)
    for token in ("", "0" * 64, "é"):
        with pytest.raises(DeniedError):
            engine.onegate.vm(vm.id, token)
        with pytest.raises(DeniedError):
            engine.onegate.report(vm.id, token, {"READY": "YES"}, Call())
    assert engine.vms.show("web").body["ready"] is False
    engine.onegate.set("", Call())
    assert engine.onegate.show().problem == ""


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


# --- VM groups, and where a VM could be


def test_a_group_of_vms(engine: Engine) -> None:
    for name in ("a1", "a2"):
        add_host(engine, name)
    roles = [{"name": "front", "policy": "ANTI_AFFINED"}]
    assert engine.vmgroups.create({"name": "shop", "roles": roles}, Call()).kind == "vmgroup"
    for number in range(2):
        engine.vms.create({**VM, "NAME": f"w{number}", "VMGROUP": "shop:front"}, Call())
    until(lambda: all(state(engine, f"w{number}") == "RUNNING" for number in range(2)))
    assert {vm["host"] for vm in engine.vmgroups.show("shop").body["vms"]} == {"a1", "a2"}
    assert column(engine.vmgroups.list(Query(columns=("vms",))), "vms") == [2]
    with pytest.raises(ConflictError):
        engine.vmgroups.remove("shop", Call())
    explained = engine.vms.explain("w0").body["hosts"]
    assert sorted(verdict["fits"] for verdict in explained) == [False, True]
    assert "keep apart" in str(explained)
    for number in range(2):
        done(engine, engine.vms.terminate(f"w{number}", Call(), hard=True))
    engine.vmgroups.rename("shop", "store", Call())
    engine.vmgroups.remove("store", Call())
    assert engine.vmgroups.list(Query()).rows == []


# --- scheduled actions


def test_a_scheduled_action(engine: Engine) -> None:
    add_host(engine, "a1")
    engine.vms.create({**VM, "NAME": "web", "SCHED_ACTION": [{"ACTION": "resume", "TIME": "+1h"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    made = engine.schedules.create("web", {"action": "poweroff-hard", "time": "now", "name": "off"}, Call())
    assert (made.kind, made.name) == ("schedule", "off")
    until(lambda: state(engine, "web") == "POWEROFF")
    until(lambda: engine.schedules.show("off").body["runs"] == 1)
    assert column(engine.schedules.list(Query(columns=("action",))), "action") == ["resume", "poweroff-hard"]
    engine.templates.create({"NAME": "lease", "SCHED_ACTION": {"ACTION": "suspend", "TIME": "+14d"}}, Call())
    assert engine.schedules.charter("web", "lease", Call()).kind == "vm"
    assert engine.schedules.show("suspend-3").body["at"] > engine.schedules.show("off").body["done"] + 1_000_000
    engine.schedules.update("off", {"time": "+2h"}, Call())
    assert engine.schedules.show("off").body["at"] > engine.schedules.show("off").body["done"]
    engine.schedules.remove("off", Call())
    with pytest.raises(NotFoundError):
        engine.schedules.show("off")
    with pytest.raises(UsageError):
        engine.schedules.create("web", {"action": "explode", "time": "now"}, Call())


# --- templates, and whose things are


def test_a_template_and_its_vms(engine: Engine) -> None:
    given = {
        "NAME": "shop",
        "MEMORY": "128",
        "CONTEXT": {"PASSWORD": "sesame", "TITLE": "$TITLE"},
        "USER_INPUTS": {"TITLE": "M|text|What it is called", "SIZE": "O|range|Size|1..9|3"},
        "MY_OWN": ["1", {"B": "2"}],
    }
    made = engine.templates.create(given, Call())
    assert engine.templates.create({**given, "NAME": "dry"}, Call(dry_run=True)).would
    assert column(engine.templates.list(Query(columns=("name",))), "name") == ["shop"]
    assert engine.templates.text("shop").body == {key: value for key, value in given.items() if key != "NAME"}
    assert "sesame" not in str(engine.templates.show(str(made.id)))
    with pytest.raises(UsageError, match="TITLE"):
        engine.templates.instantiate("shop", Call())
    vm = engine.templates.instantiate("shop", Call(), "vm", {"cpu": "2"}, {"TITLE": "cats"}, True)
    shown = engine.vms.show(str(vm.id)).body
    assert (shown["cpu"], shown["template_id"], shown["template"]["CONTEXT"]["TITLE"]) == (2.0, made.id, "cats")
    before = engine.system.status().last_event
    told = engine.templates.explain("shop", Call(), {}, {"TITLE": "cats"}).body
    assert {item["attribute"]: item["status"] for item in told["attributes"]}["MY_OWN 0"] == "unknown"
    assert told["vm"]["memory_mib"] == 128
    assert engine.system.status().last_event == before
    engine.templates.update("shop", {"MEMORY": "256"}, Call(), True)
    assert engine.templates.text("shop").body["MEMORY"] == "256"
    engine.templates.clone("shop", "store", Call())
    engine.templates.rename("store", "market", Call())
    for name in ("shop", "market"):
        engine.templates.remove(name, Call())
    assert engine.templates.list(Query()).rows == []
    assert engine.vms.show("vm").body["template_id"] == made.id


def test_whose_things_are(engine: Engine) -> None:
    engine.templates.create({"NAME": "a", "MEMORY": "128"}, Call())
    engine.vms.create(VM, Call(), hold=True)
    engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.0.0.1-10.0.0.9"}]}, Call())
    for noun, name in (("templates", "a"), ("vms", "web"), ("networks", "lan")):
        part = getattr(engine, noun)
        part.chmod(name, "640", Call())
        part.chown(name, "root", Call())
        part.chgrp(name, "daemon", Call())
        columns = Query(columns=("owner", "group", "mode"), filters=(("mode", "=", "640"),))
        assert part.list(columns).rows == [["root", "daemon", 0o640]]
        assert (part.show(name).body["group"], part.show(name).body["mode"]) == ("daemon", "640")
        for refused in (("chmod", "8"), ("chown", "nobody-of-that-name"), ("chgrp", "")):
            with pytest.raises((UsageError, NotFoundError)):
                getattr(part, refused[0])(name, refused[1], Call())


# --- taking over


def test_what_is_not_there_cannot_be_adopted(engine: Engine) -> None:
    add_host(engine, "kvm1")
    running(engine)
    assert engine.hosts.domains("kvm1") == []
    with pytest.raises(NotFoundError):
        engine.vms.adopt("kvm1", "ghost", Call())
    with pytest.raises(ConflictError):
        engine.vms.adopt("kvm1", str(engine.vms.show("web").body["uuid"]), Call(), "mine")
    with pytest.raises(ConflictError):
        engine.vms.disown("web", Call())
    done(engine, engine.vms.terminate("web", Call(), hard=True, delete_disks=True))


# --- declarations


DECLARED: list[dict[str, Any]] = [
    {"kind": "cluster", "name": "lab", "attributes": {"RACK": "7"}},
    {"kind": "host", "name": "a1", "driver": "sim", "cluster": "lab"},
    {"kind": "vm", "name": "web", "memory": "512", "colour": "blue"},
]


def declare(engine: Engine, documents: list[dict[str, Any]]) -> None:
    for document in documents:
        done(engine, engine.declarations.make(document, Call(label="lab")))


def test_documents_are_made_so_once(engine: Engine) -> None:
    found = engine.declarations.compare(DECLARED)
    assert [(item.action, item.kind, item.id) for item in found] == [("create", item["kind"], 0) for item in DECLARED]
    declare(engine, DECLARED)
    until(lambda: state(engine, "web") == "RUNNING")
    assert {item.action for item in engine.declarations.compare(DECLARED)} == {""}
    (last,) = [item for item in engine.declarations.compare([*DECLARED[:2], {**DECLARED[2], "colour": "red"}]) if item.action]
    assert [(change.path, change.before, change.after) for change in last.changes] == [("COLOUR", "blue", "red")]
    assert engine.declarations.make({**DECLARED[2], "memory": "512"}, Call(dry_run=True)).id == last.id
    with pytest.raises(ConflictError):
        engine.declarations.make({**DECLARED[2], "memory": "1024"}, Call())
    with pytest.raises(UsageError):
        engine.declarations.compare([{"kind": "explode", "name": "x"}])


def test_what_exists_can_be_exported_and_what_a_set_made_removed(engine: Engine) -> None:
    declare(engine, DECLARED)
    until(lambda: state(engine, "web") == "RUNNING")
    documents = [item.body for item in engine.declarations.export()]
    assert {item.action for item in engine.declarations.compare(documents)} == {""}
    assert [item.kind for item in engine.declarations.export(["host", "cluster"])] == ["cluster", "cluster", "host"]
    left = engine.declarations.compare([], label="lab", prune=True)
    assert [item.name for item in left] == ["web", "a1", "lab"]
    with pytest.raises(ConflictError):
        engine.declarations.remove("cluster", "default", "lab", Call())
    done(engine, engine.vms.poweroff("web", Call(), hard=True))
    for item in left:
        done(engine, engine.declarations.remove(item.kind, str(item.id), "lab", Call()))
    assert engine.declarations.compare([], label="lab", prune=True) == []


def test_backups(engine: Engine) -> None:
    add_host(engine, "a1")
    done(engine, engine.datastores.create({"name": "disks", "driver": "sim"}, Call()))
    done(engine, engine.images.create({"name": "base", "size": 1 << 20, "datastore": "disks"}, Call()))
    engine.datastores.create({"name": "vault", "type": "backup", "driver": "sim", "keep_last": "2"}, Call())
    engine.vms.create({**VM, "DISK": [{"IMAGE": "base", "FORMAT": "qcow2"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    for _ in range(2):
        done(engine, engine.vms.backup("web", Call(), datastore="vault"))
    assert column(engine.backups.list(Query(columns=("id", "kind"))), "kind") == ["full", "increment"]
    done(engine, engine.backups.verify("1", Call()))
    assert engine.backups.show("1").body["verified"]
    done(engine, engine.vms.poweroff("web", Call(), hard=True))
    done(engine, engine.vms.restore("web", "1", Call()))
    done(engine, engine.backups.restore("2", Call(), name="other"))
    until(lambda: state(engine, "other") == "RUNNING")
    done(engine, engine.backups.remove("2", Call()))
    done(engine, engine.backups.forget("vault", Call()))
    engine.backups.chmod("1", "640", Call())
    assert column(engine.backups.list(Query(columns=("id", "mode"))), "id") == [1]


def test_snapshots_and_images_of_disks(engine: Engine) -> None:
    add_host(engine, "a1")
    done(engine, engine.datastores.create({"name": "disks", "driver": "sim"}, Call()))
    done(engine, engine.images.create({"name": "base", "size": 1 << 20, "datastore": "disks"}, Call()))
    engine.vms.create({**VM, "DISK": [{"IMAGE": "base", "FORMAT": "qcow2"}]}, Call())
    until(lambda: state(engine, "web") == "RUNNING")
    done(engine, engine.vms.disk_snapshot_create("web", "vda", "clean", Call()))
    assert column(engine.vms.disk_snapshots("web", "0"), "name") == ["clean"]
    done(engine, engine.vms.disk_saveas("web", "vda", "golden", Call(), "clean"))
    engine.vms.disk_snapshot_rename("web", "vda", "clean", "first", Call())
    done(engine, engine.vms.poweroff("web", Call(), hard=True))
    done(engine, engine.vms.disk_snapshot_revert("web", "vda", "first", Call()))
    done(engine, engine.vms.disk_snapshot_delete("web", "vda", "first", Call()))
    assert engine.vms.disk_snapshots("web", "0").rows == []
    done(engine, engine.vms.save("web", "shop", Call()))
    assert {"golden", "shop-disk-0"} <= set(column(engine.images.list(Query(columns=("name",))), "name"))
    engine.vms.clone("web", "second", Call(), hold=True)
    until(lambda: state(engine, "second") == "HOLD")
    done(engine, engine.vms.resume("web", Call()))
    done(engine, engine.vms.snapshot_create("web", "", Call()))
    assert column(engine.vms.snapshots("web"), "name") == ["snapshot-1"]
    engine.vms.snapshot_rename("web", "1", "clean", Call())
    for verb in (engine.vms.snapshot_revert, engine.vms.snapshot_delete):
        done(engine, verb("web", "clean", Call()))
    assert engine.vms.snapshots("web").rows == []
