"""A dry run of any verb that changes something answers what it would do and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nebula.engine.api.values import Accepted
from tests.support.sim import CALL, DRY, Sim, template

Verb = Callable[[Sim], Accepted]
VERBS: dict[str, Verb] = {
    "hosts.add": lambda sim: sim.engine.hosts.add({"name": "h9", "driver": "sim"}, DRY),
    "hosts.enable": lambda sim: sim.engine.hosts.enable("h3", DRY),
    "hosts.disable": lambda sim: sim.engine.hosts.disable("h3", DRY),
    "hosts.offline": lambda sim: sim.engine.hosts.offline("h3", DRY),
    "hosts.rename": lambda sim: sim.engine.hosts.rename("h3", "other", DRY),
    "hosts.update": lambda sim: sim.engine.hosts.update("h3", {"reserved_cpu": "50%", "virt": "qemu"}, DRY),
    "hosts.remove": lambda sim: sim.engine.hosts.remove("h3", DRY),
    "hosts.evacuate": lambda sim: sim.engine.hosts.evacuate("h1", DRY),
    "clusters.create": lambda sim: sim.engine.clusters.create("other", DRY),
    "clusters.rename": lambda sim: sim.engine.clusters.rename("default", "other", DRY),
    "clusters.remove": lambda sim: sim.engine.clusters.remove("empty", DRY),
    "datastores.create": lambda sim: sim.engine.datastores.create({"name": "other", "driver": "sim"}, DRY),
    "datastores.rename": lambda sim: sim.engine.datastores.rename("disks", "other", DRY),
    "datastores.remove": lambda sim: sim.engine.datastores.remove("files", DRY),
    "images.create": lambda sim: sim.engine.images.create({"name": "other", "size": 1 << 20, "datastore": "disks"}, DRY),
    "images.rename": lambda sim: sim.engine.images.rename("base", "other", DRY),
    "images.persistent": lambda sim: sim.engine.images.persistent("spare", True, DRY),
    "images.remove": lambda sim: sim.engine.images.remove("spare", DRY),
    "networks.create": lambda sim: sim.engine.networks.create({"name": "other", "ranges": [{"IP": "10.8.0.1-10.8.0.9"}]}, DRY),
    "networks.add_range": lambda sim: sim.engine.networks.add_range("lan", {"IP": "10.9.1.1-10.9.1.9"}, DRY),
    "networks.remove_range": lambda sim: sim.engine.networks.remove_range("spare", 0, DRY),
    "networks.hold": lambda sim: sim.engine.networks.hold("lan", "10.9.0.30", DRY),
    "networks.release": lambda sim: sim.engine.networks.release("lan", "10.9.0.40", DRY),
    "networks.reserve": lambda sim: sim.engine.networks.reserve("lan", "other", 3, DRY),
    "networks.rename": lambda sim: sim.engine.networks.rename("lan", "other", DRY),
    "networks.remove": lambda sim: sim.engine.networks.remove("spare", DRY),
    "vms.create": lambda sim: sim.engine.vms.create(template("other"), DRY),
    "vms.hold": lambda sim: sim.engine.vms.hold("waits", DRY),
    "vms.release": lambda sim: sim.engine.vms.release("held", DRY),
    "vms.deploy": lambda sim: sim.engine.vms.deploy("held", "h1", DRY),
    "vms.poweroff": lambda sim: sim.engine.vms.poweroff("one", DRY),
    "vms.resume": lambda sim: sim.engine.vms.resume("off", DRY),
    "vms.reboot": lambda sim: sim.engine.vms.reboot("one", DRY),
    "vms.migrate": lambda sim: sim.engine.vms.migrate("one", "", DRY, live=True),
    "vms.terminate": lambda sim: sim.engine.vms.terminate("one", DRY),
    "vms.recover": lambda sim: sim.engine.vms.recover("one", "delete", DRY),
    "vms.rename": lambda sim: sim.engine.vms.rename("one", "other", DRY),
    "vms.update": lambda sim: sim.engine.vms.update("one", {"AUTOSTART": "YES"}, DRY),
    "jobs.cancel": lambda sim: sim.engine.jobs.cancel(sim.vm("stuck").job_id, DRY),
    "system.stop": lambda sim: sim.engine.system.stop(DRY),
}


@pytest.fixture(scope="module")
def busy(furnished_home: Path, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    import shutil

    from tests.support.sim import SETTINGS, sim_engine, until

    home = Path(shutil.copytree(furnished_home, tmp_path_factory.mktemp("busy") / "home"))
    with sim_engine(home, furnished=False, settings=SETTINGS) as sim:
        sim.add_image("spare")
        sim.engine.clusters.create("empty", CALL)
        sim.engine.networks.create({"name": "spare", "driver": "sim", "ranges": [{"IP": "10.7.0.1-10.7.0.9"}]}, CALL)
        sim.engine.networks.hold("lan", "10.9.0.40", CALL)
        sim.add_vm("one", HOST="h1")
        sim.add_vm("off", HOST="h2")
        sim.engine.vms.poweroff("off", CALL)
        sim.add_vm("held", hold=True)
        sim.add_vm("waits", MEMORY=1 << 20)
        sim.world.faults.hang("*", "datastore.create_disk")
        sim.engine.vms.create(template("stuck", HOST="h2"), CALL)
        until(sim.world.faults.hanging, "a hanging call")
        yield sim


@pytest.mark.parametrize("name", VERBS)
def test_nothing_changes(busy: Sim, name: str) -> None:
    before, journal = busy.everything(), busy.world.db.all("SELECT count(*) FROM journal")
    accepted = VERBS[name](busy)
    assert accepted.job_id == 0
    assert busy.everything() == before
    assert busy.world.db.all("SELECT count(*) FROM journal") == journal
    if name != "system.stop":
        assert accepted.would, "it says what it would do"


def test_every_changing_verb_is_tried() -> None:
    from nebula.engine.api import verbs

    nouns = {
        noun: getattr(verbs, noun.title())
        for noun in ("hosts", "clusters", "datastores", "images", "networks", "vms", "jobs", "system")
    }
    changing = {
        f"{noun}.{name}"
        for noun, protocol in nouns.items()
        for name, method in vars(protocol).items()
        if not name.startswith("_") and "call" in getattr(method, "__annotations__", {})
    }
    assert changing == set(VERBS)
