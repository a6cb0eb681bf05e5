"""What people (and programs) type wrong: the right error, its exit status, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nebula.engine.api.values import Query
from nebula.engine.store.rows import VmRow
from nebula.errors import CapacityError, ConflictError, NebulaError, NotFoundError, UsageError, WrongStateError
from tests.support.sim import CALL, Sim, template

BAD_NAMES = (
    "",
    " a",
    "a ",
    "a\nb",
    "a\0b",
    "it's",
    'say "hi"',
    "$(reboot)",
    "`id`",
    "a;b",
    "../etc",
    "-rf",
    "7",
    "1..5",
    "x" * 10_000,
)
ODD_NAMES = ("Grüße", "日本 🚀", "a b", "a.b_c-d+e@f:g", "100%", "x" * 128)
NAMING: dict[str, Callable[[Sim, str], object]] = {
    "hosts.add": lambda sim, name: sim.engine.hosts.add({"name": name, "driver": "sim"}, CALL),
    "hosts.rename": lambda sim, name: sim.engine.hosts.rename("h3", name, CALL),
    "clusters.create": lambda sim, name: sim.engine.clusters.create(name, CALL),
    "clusters.rename": lambda sim, name: sim.engine.clusters.rename("default", name, CALL),
    "datastores.create": lambda sim, name: sim.engine.datastores.create({"name": name, "driver": "sim"}, CALL),
    "datastores.rename": lambda sim, name: sim.engine.datastores.rename("disks", name, CALL),
    "images.create": lambda sim, name: sim.engine.images.create({"name": name, "size": 1 << 20, "datastore": "disks"}, CALL),
    "images.rename": lambda sim, name: sim.engine.images.rename("base", name, CALL),
    "networks.create": lambda sim, name: sim.engine.networks.create({"name": name}, CALL),
    "networks.rename": lambda sim, name: sim.engine.networks.rename("lan", name, CALL),
    "networks.reserve": lambda sim, name: sim.engine.networks.reserve("lan", name, 2, CALL),
    "vms.create": lambda sim, name: sim.engine.vms.create({"NAME": name or " "}, CALL, hold=True),
    "vms.rename": lambda sim, name: sim.engine.vms.rename("held", name, CALL),
}


@pytest.mark.parametrize("verb", NAMING)
def test_names(sim: Sim, verb: str) -> None:
    sim.add_vm("held", hold=True)
    before = sim.everything()
    for name in BAD_NAMES:
        with pytest.raises(UsageError) as failure:
            NAMING[verb](sim, name)
        assert failure.value.exit_status == 2
        assert len(str(failure.value)) < 500
        assert "\n" not in failure.value.message
    assert sim.everything() == before
    NAMING[verb](sim, ODD_NAMES[1])
    sim.settle()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_that_are_fine(sim: Sim, name: str) -> None:
    sim.engine.vms.create({"NAME": name}, CALL, hold=True)
    assert sim.engine.vms.show(name).name == name
    listed = sim.engine.vms.list(Query(columns=("name",), filters=(("name", "=", name),)))
    assert listed.rows == [[name]]


REFERRING: dict[str, Callable[[Sim, str], object]] = {
    "hosts.show": lambda sim, ref: sim.engine.hosts.show(ref),
    "hosts.check": lambda sim, ref: sim.engine.hosts.check(ref),
    "hosts.remove": lambda sim, ref: sim.engine.hosts.remove(ref, CALL),
    "clusters.show": lambda sim, ref: sim.engine.clusters.show(ref),
    "datastores.show": lambda sim, ref: sim.engine.datastores.show(ref),
    "datastores.check": lambda sim, ref: sim.engine.datastores.check(ref),
    "images.show": lambda sim, ref: sim.engine.images.show(ref),
    "networks.show": lambda sim, ref: sim.engine.networks.show(ref),
    "networks.leases": lambda sim, ref: sim.engine.networks.leases(ref),
    "vms.show": lambda sim, ref: sim.engine.vms.show(ref),
    "vms.describe": lambda sim, ref: sim.engine.vms.describe(ref),
    "vms.log": lambda sim, ref: sim.engine.vms.log(ref),
    "vms.history": lambda sim, ref: sim.engine.vms.history(ref),
    "vms.console": lambda sim, ref: sim.engine.vms.console(ref),
    "vms.poweroff": lambda sim, ref: sim.engine.vms.poweroff(ref, CALL),
    "vms.deploy": lambda sim, ref: sim.engine.vms.deploy("held", ref, CALL),
}


@pytest.mark.parametrize("verb", REFERRING)
def test_unknown_objects(sim: Sim, verb: str) -> None:
    sim.add_vm("held", hold=True)
    for ref in ("4711", "no-such-thing", "'; DROP TABLE vm; --", "%", "", "9" * 30, "x" * 10_000, "-1", "a\nb"):
        with pytest.raises(NotFoundError) as failure:
            REFERRING[verb](sim, ref)
        assert failure.value.exit_status == 3
        assert failure.value.hint
        assert len(str(failure.value)) < 300


@pytest.mark.parametrize(
    ("verb", "typo", "meant"), [("images.show", "bsae", "base"), ("networks.show", "lann", "lan"), ("vms.show", "hedl", "held")]
)
def test_close_names_are_offered(sim: Sim, verb: str, typo: str, meant: str) -> None:
    sim.add_vm("held", hold=True)
    with pytest.raises(NotFoundError) as failure:
        REFERRING[verb](sim, typo)
    assert f"did you mean {meant}" in failure.value.hint


def test_two_of_a_name_are_told_apart_by_id(sim: Sim) -> None:
    first = sim.engine.vms.create({"NAME": "twin"}, CALL, hold=True)
    sim.engine.vms.create({"NAME": "twin"}, CALL, hold=True)
    with pytest.raises(ConflictError) as failure:
        sim.engine.vms.show("twin")
    assert str(first.id) in failure.value.cause
    assert sim.engine.vms.show(str(first.id)).id == first.id


@pytest.mark.parametrize("noun", ["hosts", "clusters", "datastores", "images", "networks"])
def test_taken_names(sim: Sim, noun: str) -> None:
    taken = {"hosts": "h1", "clusters": "default", "datastores": "disks", "images": "base", "networks": "lan"}[noun]
    verb = NAMING["hosts.add" if noun == "hosts" else f"{noun}.create"]
    with pytest.raises(ConflictError, match=f"called {taken} exists"):
        verb(sim, taken)


WRONG: dict[str, Callable[[Sim], object]] = {
    "hold": lambda sim: sim.engine.vms.hold("one", CALL),
    "release": lambda sim: sim.engine.vms.release("one", CALL),
    "deploy": lambda sim: sim.engine.vms.deploy("one", "h2", CALL),
    "resume": lambda sim: sim.engine.vms.resume("one", CALL),
    "recover retry": lambda sim: sim.engine.vms.recover("one", "retry", CALL),
    "recover success": lambda sim: sim.engine.vms.recover("one", "success", CALL),
    "recover failure": lambda sim: sim.engine.vms.recover("one", "failure", CALL),
    "poweroff while held": lambda sim: sim.engine.vms.poweroff("held", CALL),
    "reboot while held": lambda sim: sim.engine.vms.reboot("held", CALL),
    "migrate while held": lambda sim: sim.engine.vms.migrate("held", "h2", CALL),
    "console while held": lambda sim: sim.engine.vms.console("held"),
    "graphics while held": lambda sim: sim.engine.vms.graphics("held"),
    "terminate twice": lambda sim: sim.engine.vms.terminate(str(sim.vm("gone").id), CALL),
}


@pytest.mark.parametrize("verb", WRONG)
def test_wrong_states(sim: Sim, verb: str) -> None:
    sim.add_vm("one")
    sim.add_vm("held", hold=True)
    sim.add_vm("gone", hold=True)
    sim.engine.vms.terminate("gone", CALL)
    before = sim.everything()
    with pytest.raises(WrongStateError) as failure:
        WRONG[verb](sim)
    assert failure.value.exit_status == 5
    assert failure.value.hint
    assert sim.everything() == before


def _vm(sim: Sim, **attributes: Any) -> object:
    return sim.engine.vms.create(template("bad", **attributes), CALL)


def _host(sim: Sim, changes: dict[str, Any]) -> object:
    return sim.engine.hosts.update("h1", changes, CALL)


def _image(sim: Sim, **spec: Any) -> object:
    return sim.engine.images.create({"name": "x", **spec}, CALL)


def _datastore(sim: Sim, path: str) -> object:
    return sim.engine.datastores.create({"name": "x", "driver": "shared", "path": path}, CALL)


def _deploy(sim: Sim) -> object:
    return sim.engine.vms.deploy("large", "h1", CALL)


BAD_VALUES: list[tuple[str, Callable[[Sim], object], type[NebulaError]]] = [
    ("no memory", lambda sim: _vm(sim, MEMORY=0), UsageError),
    ("too much memory", lambda sim: _vm(sim, MEMORY="999999G"), UsageError),
    ("cpu that is none", lambda sim: _vm(sim, CPU="many"), UsageError),
    ("cpu nan", lambda sim: _vm(sim, CPU="nan"), UsageError),
    ("a vcpu and a half", lambda sim: _vm(sim, VCPU="1.5"), UsageError),
    ("a huge number", lambda sim: _vm(sim, SOMETHING=10**30), UsageError),
    ("a disk without anything", lambda sim: _vm(sim, DISK=[{}]), UsageError),
    ("a disk of no size", lambda sim: _vm(sim, DISK=[{"SIZE": None}]), UsageError),
    ("a disk smaller than its image", lambda sim: _vm(sim, DISK=[{"IMAGE": "big", "SIZE": 1}]), UsageError),
    ("a format that is none", lambda sim: _vm(sim, DISK=[{"IMAGE": "base", "FORMAT": "vmdk"}]), UsageError),
    ("a port that is none", lambda sim: _vm(sim, GRAPHICS={"PORT": "first"}), UsageError),
    ("a card without a network", lambda sim: _vm(sim, NIC=[{}]), UsageError),
    ("card defaults that are none", lambda sim: _vm(sim, NIC_DEFAULT="virtio"), UsageError),
    ("an unknown image", lambda sim: _vm(sim, DISK=[{"IMAGE": "nope"}]), NotFoundError),
    ("an unknown network", lambda sim: _vm(sim, NIC=[{"NETWORK": "nope"}]), NotFoundError),
    ("an address of nobody", lambda sim: _vm(sim, NIC=[{"NETWORK": "lan", "IP": "192.0.2.1"}]), NotFoundError),
    ("half a character", lambda sim: _vm(sim, DESCRIPTION="\udcff"), UsageError),
    ("half a character in a list", lambda sim: sim.engine.vms.list(Query(filters=(("name", "=", "\udcff"),))), UsageError),
    ("an unknown column", lambda sim: sim.engine.vms.list(Query(columns=("shoe",))), UsageError),
    ("an unknown comparison", lambda sim: sim.engine.vms.list(Query(filters=(("name", "LIKE", "x"),))), UsageError),
    ("an unknown state", lambda sim: sim.engine.vms.list(Query(filters=(("state", "=", "TIRED"),))), UsageError),
    ("a broken expression", lambda sim: sim.engine.vms.list(Query(filters=(("name", "~", "("),))), UsageError),
    ("reserving nonsense", lambda sim: _host(sim, {"reserved_cpu": "much"}), UsageError),
    ("reserving nan", lambda sim: _host(sim, {"reserved_cpu": "nan%"}), UsageError),
    ("overcommitting the universe", lambda sim: _host(sim, {"reserved_memory": "-" + "9" * 30}), UsageError),
    ("an unknown field of a host", lambda sim: _host(sim, {"colour": "red"}), UsageError),
    ("an address like an option", lambda sim: _host(sim, {"address": "-oProxyCommand=id"}), UsageError),
    ("a user like an option", lambda sim: _host(sim, {"user": "-l root"}), UsageError),
    ("a port out of range", lambda sim: _host(sim, {"port": 70000}), UsageError),
    ("a remote host without keys", lambda sim: sim.engine.hosts.add({"name": "far", "address": "192.0.2.9"}, CALL), UsageError),
    ("an unknown driver", lambda sim: sim.engine.hosts.add({"name": "far", "driver": "xen"}, CALL), UsageError),
    ("an image from nowhere", _image, UsageError),
    ("an image from two places", lambda sim: _image(sim, size=1 << 20, url="http://a"), UsageError),
    ("an image of no bytes", lambda sim: _image(sim, size=1), UsageError),
    ("an image from a file that is not there", lambda sim: _image(sim, path="/nonexistent"), NotFoundError),
    ("an image by ftp", lambda sim: _image(sim, url="ftp://a/b"), UsageError),
    ("an unknown catalogue entry", lambda sim: _image(sim, catalogue="nope"), NebulaError),
    ("a datastore out of its path", lambda sim: _datastore(sim, "/a/../b"), UsageError),
    ("a bridge that is none", lambda sim: sim.engine.networks.create({"name": "x", "bridge": "br0; id"}, CALL), UsageError),
    ("a gateway that is none", lambda sim: sim.engine.networks.create({"name": "x", "gateway": "home"}, CALL), UsageError),
    ("a range that is none", lambda sim: sim.engine.networks.add_range("lan", {"IP": "10.0.0.9-10.0.0.1"}, CALL), UsageError),
    ("a range twice", lambda sim: sim.engine.networks.add_range("lan", {"IP": "10.9.0.30-10.9.0.50"}, CALL), ConflictError),
    ("a range that is not there", lambda sim: sim.engine.networks.remove_range("lan", 9, CALL), NotFoundError),
    ("a reservation of nothing", lambda sim: sim.engine.networks.reserve("lan", "x", 0, CALL), UsageError),
    ("a reservation of too much", lambda sim: sim.engine.networks.reserve("lan", "x", 60, CALL), CapacityError),
    ("cpu changed by update", lambda sim: sim.engine.vms.update("held", {"CPU": 2}, CALL), UsageError),
    ("a VM too large", _deploy, CapacityError),
    ("the last cluster", lambda sim: sim.engine.clusters.remove("default", CALL), ConflictError),
    ("a datastore in use", lambda sim: sim.engine.datastores.remove("disks", CALL), ConflictError),
    ("a job that is not there", lambda sim: sim.engine.jobs.show(4711), NotFoundError),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(furnished_home, tmp_path_factory):  # type: ignore[no-untyped-def]
    import shutil
    from pathlib import Path

    from tests.support.sim import sim_engine

    with sim_engine(Path(shutil.copytree(furnished_home, tmp_path_factory.mktemp("shop") / "home")), furnished=False) as sim:
        sim.add_image("big", size=8 << 20)
        sim.add_vm("held", hold=True)
        sim.add_vm("large", hold=True, MEMORY="1T")
        yield sim


@pytest.mark.parametrize(("verb", "error"), [pytest.param(verb, error, id=name) for name, verb, error in BAD_VALUES])
def test_bad_values(shop: Sim, verb: Callable[[Sim], object], error: type[NebulaError]) -> None:
    before = len(shop.rows(VmRow))
    with pytest.raises(error) as failure:
        verb(shop)
    assert "Traceback" not in str(failure.value)
    assert failure.value.hint, "it says what to type next"
    assert len(shop.rows(VmRow)) == before
