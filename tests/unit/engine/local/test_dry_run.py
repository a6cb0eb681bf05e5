"""A dry run of any verb that changes something answers what it would do and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from nebula.engine.api.values import Accepted
from nebula.engine.store.transaction import Transaction
from nebula.model.host import HostHardware, PciDevice
from tests.support.sim import CALL, DRY, PATIENCE, Sim, template, until

Verb = Callable[[Sim], Accepted]


def _hand_over(noun: str, name: str, verb: str, words: list[str], sim: Sim) -> Accepted:
    accepted: Accepted = getattr(getattr(sim.engine, noun), verb)(name, *words, DRY)
    return accepted


VERBS: dict[str, Verb] = {
    "hosts.add": lambda sim: sim.engine.hosts.add({"name": "h9", "driver": "sim"}, DRY),
    "hosts.enable": lambda sim: sim.engine.hosts.enable("h3", DRY),
    "hosts.disable": lambda sim: sim.engine.hosts.disable("h3", DRY),
    "hosts.offline": lambda sim: sim.engine.hosts.offline("h3", DRY),
    "hosts.rename": lambda sim: sim.engine.hosts.rename("h3", "other", DRY),
    "hosts.update": lambda sim: sim.engine.hosts.update("h3", {"reserved_cpu": "50%", "virt": "qemu"}, DRY),
    "hosts.remove": lambda sim: sim.engine.hosts.remove("h3", DRY),
    "hosts.clean": lambda sim: sim.engine.hosts.clean("h1", DRY),
    "hosts.evacuate": lambda sim: sim.engine.hosts.evacuate("h1", DRY),
    "clusters.create": lambda sim: sim.engine.clusters.create("other", DRY),
    "clusters.rename": lambda sim: sim.engine.clusters.rename("default", "other", DRY),
    "clusters.update": lambda sim: sim.engine.clusters.update("default", {"attributes": {"A": "1"}}, DRY),
    "clusters.remove": lambda sim: sim.engine.clusters.remove("empty", DRY),
    "datastores.create": lambda sim: sim.engine.datastores.create({"name": "other", "driver": "sim"}, DRY),
    "datastores.rename": lambda sim: sim.engine.datastores.rename("disks", "other", DRY),
    "datastores.update": lambda sim: sim.engine.datastores.update("disks", {"attributes": {"A": "1"}}, DRY),
    "datastores.remove": lambda sim: sim.engine.datastores.remove("files", DRY),
    "images.create": lambda sim: sim.engine.images.create({"name": "other", "size": 1 << 20, "datastore": "disks"}, DRY),
    "images.clone": lambda sim: sim.engine.images.clone("spare", "other", DRY),
    "images.rename": lambda sim: sim.engine.images.rename("base", "other", DRY),
    "images.persistent": lambda sim: sim.engine.images.persistent("spare", True, DRY),
    "images.update": lambda sim: sim.engine.images.update("spare", {"attributes": {"A": "1"}}, DRY),
    "images.enable": lambda sim: sim.engine.images.enable("spare", DRY),
    "images.disable": lambda sim: sim.engine.images.disable("spare", DRY),
    "images.chtype": lambda sim: sim.engine.images.chtype("spare", "datablock", DRY),
    "images.remove": lambda sim: sim.engine.images.remove("spare", DRY),
    "networks.create": lambda sim: sim.engine.networks.create({"name": "other", "ranges": [{"IP": "10.8.0.1-10.8.0.9"}]}, DRY),
    "networks.add_range": lambda sim: sim.engine.networks.add_range("lan", {"IP": "10.9.1.1-10.9.1.9"}, DRY),
    "networks.remove_range": lambda sim: sim.engine.networks.remove_range("spare", 0, DRY),
    "networks.hold": lambda sim: sim.engine.networks.hold("lan", "10.9.0.30", DRY),
    "networks.release": lambda sim: sim.engine.networks.release("lan", "10.9.0.40", DRY),
    "networks.reserve": lambda sim: sim.engine.networks.reserve("lan", "other", 3, DRY),
    "networks.rename": lambda sim: sim.engine.networks.rename("lan", "other", DRY),
    "networks.update": lambda sim: sim.engine.networks.update("lan", {"attributes": {"A": "1"}}, DRY),
    "networks.remove": lambda sim: sim.engine.networks.remove("spare", DRY),
    "templates.create": lambda sim: sim.engine.templates.create({"NAME": "other", "MEMORY": "64"}, DRY),
    "templates.update": lambda sim: sim.engine.templates.update("t", {"MEMORY": "32"}, DRY),
    "templates.rename": lambda sim: sim.engine.templates.rename("t", "other", DRY),
    "templates.clone": lambda sim: sim.engine.templates.clone("t", "other", DRY, images=True),
    "templates.instantiate": lambda sim: sim.engine.templates.instantiate("t", DRY, "other", persistent=True),
    "templates.remove": lambda sim: sim.engine.templates.remove("t", DRY, images=True),
    **{
        f"{noun}.{verb}": partial(_hand_over, noun, name, verb, words)
        for noun, name in (("images", "spare"), ("networks", "lan"), ("templates", "t"), ("vms", "one"), ("backups", "1"))
        for verb, *words in (("chown", "root"), ("chgrp", "daemon"), ("chmod", "640"), ("lock", "use"), ("unlock",))
    },
    "vms.create": lambda sim: sim.engine.vms.create(template("other"), DRY),
    "vms.hold": lambda sim: sim.engine.vms.hold("waits", DRY),
    "vms.release": lambda sim: sim.engine.vms.release("held", DRY),
    "vms.deploy": lambda sim: sim.engine.vms.deploy("held", "h1", DRY),
    "vms.poweroff": lambda sim: sim.engine.vms.poweroff("one", DRY),
    "vms.resume": lambda sim: sim.engine.vms.resume("off", DRY),
    "vms.suspend": lambda sim: sim.engine.vms.suspend("one", DRY),
    "vms.stop": lambda sim: sim.engine.vms.stop("one", DRY),
    "vms.undeploy": lambda sim: sim.engine.vms.undeploy("off", DRY),
    "vms.resched": lambda sim: sim.engine.vms.resched("off", DRY),
    "vms.unresched": lambda sim: sim.engine.vms.unresched("off", DRY),
    "vms.resize": lambda sim: sim.engine.vms.resize("off", {"MEMORY": "64"}, DRY),
    "vms.disk_attach": lambda sim: sim.engine.vms.disk_attach("one", {"SIZE": 8}, DRY),
    "vms.disk_detach": lambda sim: sim.engine.vms.disk_detach("one", "vda", DRY),
    "vms.disk_move": lambda sim: sim.engine.vms.disk_move("off", "0", "second", DRY),
    "vms.disk_resize": lambda sim: sim.engine.vms.disk_resize("one", "vda", 64, DRY),
    "vms.disk_saveas": lambda sim: sim.engine.vms.disk_saveas("layered", "vda", "golden", DRY),
    "vms.save": lambda sim: sim.engine.vms.save("layered", "golden", DRY),
    "vms.clone": lambda sim: sim.engine.vms.clone("layered", "second", DRY),
    "vms.snapshot_create": lambda sim: sim.engine.vms.snapshot_create("kept", "a", DRY),
    "vms.snapshot_revert": lambda sim: sim.engine.vms.snapshot_revert("kept", "clean", DRY),
    "vms.snapshot_delete": lambda sim: sim.engine.vms.snapshot_delete("kept", "clean", DRY),
    "vms.snapshot_rename": lambda sim: sim.engine.vms.snapshot_rename("kept", "clean", "b", DRY),
    "vms.disk_snapshot_create": lambda sim: sim.engine.vms.disk_snapshot_create("layered", "vda", "a", DRY),
    "vms.disk_snapshot_revert": lambda sim: sim.engine.vms.disk_snapshot_revert("layered", "vda", "clean", DRY),
    "vms.disk_snapshot_delete": lambda sim: sim.engine.vms.disk_snapshot_delete("layered", "vda", "clean", DRY),
    "vms.disk_snapshot_rename": lambda sim: sim.engine.vms.disk_snapshot_rename("layered", "vda", "clean", "b", DRY),
    "vms.cd_change": lambda sim: sim.engine.vms.cd_change("disc", "", DRY),
    "vms.nic_attach": lambda sim: sim.engine.vms.nic_attach("off", {"NETWORK": "lan"}, DRY),
    "vms.nic_detach": lambda sim: sim.engine.vms.nic_detach("one", "0", DRY),
    "vms.pci_attach": lambda sim: sim.engine.vms.pci_attach("fitted", {"SHORT_ADDRESS": "3b:00.1"}, DRY),
    "vms.pci_detach": lambda sim: sim.engine.vms.pci_detach("fitted", "PCI0", DRY),
    "vms.nic_update": lambda sim: sim.engine.vms.nic_update("one", "0", {"INBOUND_AVG_BW": 9}, DRY),
    "vms.backup": lambda sim: sim.engine.vms.backup("one", DRY),
    "vms.restore": lambda sim: sim.engine.vms.restore("off", "1", DRY),
    "vms.reboot": lambda sim: sim.engine.vms.reboot("one", DRY),
    "vms.migrate": lambda sim: sim.engine.vms.migrate("one", "", DRY, live=True),
    "vms.terminate": lambda sim: sim.engine.vms.terminate("one", DRY),
    "vms.recover": lambda sim: sim.engine.vms.recover("one", "delete", DRY),
    "vms.rename": lambda sim: sim.engine.vms.rename("one", "other", DRY),
    "vms.update": lambda sim: sim.engine.vms.update("one", {"AUTOSTART": "YES"}, DRY),
    "vms.adopt": lambda sim: sim.engine.vms.adopt("h1", "theirs", DRY),
    "vms.disown": lambda sim: sim.engine.vms.disown("adopted", DRY),
    "backups.restore": lambda sim: sim.engine.backups.restore("1", DRY, "other"),
    "backups.verify": lambda sim: sim.engine.backups.verify("1", DRY),
    "backups.remove": lambda sim: sim.engine.backups.remove("1", DRY),
    "backups.forget": lambda sim: sim.engine.backups.forget("vault", DRY),
    "jobs.cancel": lambda sim: sim.engine.jobs.cancel(sim.vm("stuck").job_id, DRY),
    "onegate.set": lambda sim: sim.engine.onegate.set("127.0.0.1:5030", DRY),
    "onegate.report": lambda sim: sim.engine.onegate.report(sim.vm("told").id, sim.vm("told").body["token"], {"A": "1"}, DRY),
    "system.stop": lambda sim: sim.engine.system.stop(DRY),
}


@pytest.fixture(scope="module")
def busy(furnished_home: Path, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    import shutil

    from tests.support.sim import SETTINGS, sim_engine

    home = Path(shutil.copytree(furnished_home, tmp_path_factory.mktemp("busy") / "home"))
    with sim_engine(home, furnished=False, settings=SETTINGS) as sim:
        sim.add_image("spare")
        sim.engine.clusters.create("empty", CALL)
        sim.engine.templates.create({"NAME": "t", "MEMORY": "64", "DISK": {"IMAGE": "spare"}}, CALL)
        sim.engine.networks.create({"name": "spare", "driver": "sim", "ranges": [{"IP": "10.7.0.1-10.7.0.9"}]}, CALL)
        sim.engine.networks.hold("lan", "10.9.0.40", CALL)
        for name in ("theirs", "adopted"):
            sim.world.virsh.add_foreign("h1", name, running=False)
        sim.engine.vms.adopt("h1", "adopted", CALL)
        devices = tuple(
            PciDevice(address=f"0000:3b:00.{number}", vendor="10de", device="1db6", class_="0302", group=number)
            for number in range(2)
        )
        sim.world.hosts.set_hardware("h2", HostHardware(devices=devices))
        sim.engine.hosts.show("h2", refresh=True)
        sim.add_vm("fitted", HOST="h2", PCI=[{"SHORT_ADDRESS": "3b:00.0"}])
        sim.engine.vms.poweroff("fitted", CALL, hard=True)
        sim.settle()
        sim.add_vm("one", HOST="h1")
        sim.add_vm("told", HOST="h1", CONTEXT={"TOKEN": "YES"})
        sim.add_vm("off", HOST="h2")
        sim.engine.vms.poweroff("off", CALL)
        sim.engine.datastores.create({"name": "vault", "type": "backup", "driver": "sim", "keep_last": "3"}, CALL)
        sim.engine.datastores.create({"name": "second", "driver": "sim"}, CALL)
        sim.settle()
        sim.engine.vms.backup("off", CALL)
        sim.add_image("cd", type="cdrom")
        sim.add_vm("disc", HOST="h1", DISK=[{"IMAGE": "cd"}])
        sim.add_vm("layered", HOST="h1", DISK=[{"IMAGE": "base", "FORMAT": "qcow2"}])
        sim.engine.vms.disk_snapshot_create("layered", "vda", "clean", CALL)
        sim.settle()
        sim.engine.vms.poweroff("layered", CALL)
        sim.add_vm("kept", HOST="h1", DISK=[{"IMAGE": "base", "FORMAT": "qcow2"}])
        sim.engine.vms.snapshot_create("kept", "clean", CALL)
        sim.settle()
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


def test_what_would_happen_is_said_in_words(busy: Sim) -> None:
    vm = busy.engine.vms.rename("one", "other", DRY)
    assert vm.would == (f"VM other ({vm.id}): would be renamed",)
    host = busy.engine.hosts.disable("h3", DRY)
    assert host.would == (f"host h3 ({host.id}): would be DISABLED",)
    assert "start job host.setup" in busy.engine.hosts.add({"name": "h9", "driver": "sim"}, DRY).would


def test_what_others_do_in_the_same_commit_is_not_told(busy: Sim) -> None:
    store, began, commit = busy.engine.services.store, Event(), Event()

    def hold(_: Transaction) -> None:
        began.set()
        commit.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool, ExitStack() as whatever_happens:
        whatever_happens.callback(commit.set)
        held = store.submit(hold)
        assert began.wait(PATIENCE)
        others = store.submit(lambda tx: tx.event("host.renamed", "host", 1, name="theirs"))
        dry = pool.submit(busy.engine.vms.rename, "one", "other", DRY)
        until(lambda: store._writer._queue.qsize() >= 2, "a dry run beside it")
        commit.set()
        assert dry.result(PATIENCE).would == (f"VM other ({dry.result().id}): would be renamed",)
    assert (held.result(), others.result()) == (None, None)


def test_every_changing_verb_is_tried() -> None:
    from nebula.engine.api import verbs

    nouns = {"onegate": verbs.OneGate} | {
        noun: getattr(verbs, noun.title())
        for noun in ("hosts", "clusters", "datastores", "images", "networks", "templates", "vms", "backups", "jobs", "system")
    }
    changing = {
        f"{noun}.{name}"
        for noun, protocol in nouns.items()
        for part in protocol.__mro__
        for name, method in vars(part).items()
        if getattr(method, "__annotations__", {}).get("return") == "Accepted"
    }
    assert changing == set(VERBS)
