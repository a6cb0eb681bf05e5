"""LUNs of an iSCSI target as disks: a guest on one, its contract, a second user, and a target that goes away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.dev import DevDatastore
from nebula.drivers.datastore.iscsi import IscsiDatastore
from nebula.drivers.datastore.iscsiportal import portal_of
from nebula.errors import CommandError, ConflictError, TimedOutError
from tests.contract.datastore import SIZE
from tests.contract.luns import HOW, LunContract, LunLab, disk_of, image_of, stage
from tests.e2e.handles import handles, killed
from tests.e2e.program import Program
from tests.e2e.test_snapshots import keep
from tests.lab.gates import Gate
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

GUEST, SPARE, SMALL = 1, 2, 3


def lun(lab: LabHandle, number: int) -> str:
    return f"{lab.status()['iscsi']['target']}/{number}"


def password(lab: LabHandle) -> str:
    return Path(lab.status()["iscsi"]["password_file"]).read_text().strip()


def settings(lab: LabHandle) -> dict[str, str]:
    """What a datastore of the lab's target is made with."""
    told = lab.status()["iscsi"]
    return {"ISCSI_HOST": told["host"], "ISCSI_USER": told["user"], "ISCSI_PASSWORD": password(lab)}


@pytest.fixture(scope="module")
def san(session_lab: LabHandle) -> Iterator[LabHandle]:
    session_lab.run("iscsi", "up")
    session_lab.run("iscsi", "lun", str(GUEST), "--size", "64")
    session_lab.run("iscsi", "lun", str(SPARE), "--size", "8")
    yield session_lab
    session_lab.run("iscsi", "down")


@pytest.fixture(scope="module")
def hosts(san: LabHandle, session_cluster: Program) -> Iterator[tuple[HostHandle, ...]]:
    """The lab's hosts as drivers know them; the engine made them known to each other."""
    assert session_cluster.json("host", "list", "-c", "name", "-f", "json") == [{"name": "h1"}, {"name": "h2"}]
    with handles(san, "h1", "h2") as found:
        yield found


def test_a_guest_lives_on_a_lun(cluster: Program, san: LabHandle, guest_image: Path) -> None:
    told = san.status()["iscsi"]
    login = ("--iscsi-host", told["host"], "--iscsi-user", told["user"], "--iscsi-password-file", told["password_file"])
    cluster.out("datastore", "create", "san", "--driver", "iscsi_libvirt", *login)
    assert cluster.out("datastore", "check", "san").count("answers") == 2
    cluster.out("image", "create", "disk", "--source", lun(san, GUEST), "--path", str(guest_image))
    options = ("--memory", "128M", "--network", "lan", "--host", "h1", "--disk", "size=8M")
    cluster.out("vm", "create", "web", "--image", "disk", *options)
    address = str(cluster.vm("web")["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "the page of a guest that reads its kernel over iSCSI", seconds=300)
    before = guest_facts(address)
    keep(address, "before")

    for refused in (
        ("image", "create", "same", "--source", lun(san, GUEST)),
        ("vm", "create", "other", "--image", "disk", "--memory", "128M"),
        ("vm", "disk-snapshot-create", "web", "vda", "now"),
        ("vm", "disk-resize", "web", "vda", "80M"),
    ):
        assert cluster.run(*refused).returncode != 0, refused

    cluster.out("vm", "migrate", "web", "--host", "h2", "--live")
    san.run("iscsi", "lun", str(GUEST), "--size", "96")
    cluster.out("vm", "disk-resize", "web", "vda", "96M")
    eventually(lambda: "disk: vda 196608" in (fetch(address) or ""), "the guest to see what was added")
    now = guest_facts(address)
    assert (now["boot-id"], now["kept"]) == (before["boot-id"], "before")

    san.run("iscsi", "stop")
    said = cluster.run("datastore", "check", "san")
    assert "does not answer host h2" in said.stdout + said.stderr
    san.run("iscsi", "start")
    eventually(lambda: wrote(address, "after"), "the guest to write again", seconds=180)
    assert guest_facts(address)["boot-id"] == before["boot-id"]

    cluster.out("vm", "poweroff", "web", "--hard")
    san.run("iscsi", "stop")
    lost = cluster.run("vm", "resume", "web")
    assert "does not answer host h2" in lost.stderr
    assert cluster.state("web") == "POWEROFF"
    san.run("iscsi", "start")
    with foreign_domain(san, "h1", cluster.json("datastore", "show", "san", "-f", "json")["id"], GUEST):
        twice = cluster.run("vm", "resume", "web")
    assert "is in use on host h1: domain foreign" in twice.stderr
    cluster.out("vm", "migrate", "web", "--host", "h1")
    cluster.out("vm", "resume", "web")
    eventually(lambda: guest_facts(address).get("kept") == "after", "the guest with its disk", seconds=300)

    for host in ("h1", "h2"):
        seen = "ps -eo args; cat /var/log/libvirt/qemu/*.log; virsh dumpxml one-* 2>/dev/null; true"
        assert password(san) not in san.exec(host, "sh", "-c", seen)
    shown = cluster.out("datastore", "show", "san", "-f", "json") + cluster.out("event", "list", "-f", "json")
    assert password(san) not in shown
    cluster.out("vm", "terminate", "web", "--hard")


def wrote(address: str, word: str) -> bool:
    """The guest has the word on its disk."""
    keep(address, word)
    return True


def test_a_lun_goes_to_another_datastore_and_into_another_lun(cluster: Program, san: LabHandle) -> None:
    cluster.out("image", "clone", "disk", "copy", "--datastore", "default")
    copy = cluster.json("image", "show", "copy", "-f", "json")
    assert (copy["format"], copy["state"], copy["size"]) == ("qcow2", "READY", 96 << 20)
    small = cluster.run("image", "clone", "copy", "back", "--datastore", "san", "--source", lun(san, SPARE))
    assert "too few for an image of 96 MiB" in small.stderr
    cluster.out("image", "remove", "back")
    san.run("iscsi", "lun", str(SPARE), "--size", "100")
    cluster.out("image", "clone", "copy", "back", "--datastore", "san", "--source", lun(san, SPARE))
    one, other = (san.root / "iscsi" / f"lun-{number}" for number in (GUEST, SPARE))
    assert one.read_bytes() == other.read_bytes()[: 96 << 20]
    for name in ("disk", "copy", "back"):
        cluster.out("image", "remove", name)
    cluster.out("datastore", "remove", "san")
    assert one.exists()
    assert other.exists()


@pytest.fixture
def store(san: LabHandle) -> IscsiDatastore:
    return IscsiDatastore(100, settings(san))


class TestIscsi(LunContract):
    @pytest.fixture
    def luns(self, san: LabHandle, hosts: tuple[HostHandle, HostHandle], store: IscsiDatastore) -> Iterator[LunLab]:
        made = san.root / "iscsi" / f"lun-{SMALL}"
        if made.exists():
            made.write_bytes(b"")
        san.run("iscsi", "lun", str(SMALL), "--size", str(SIZE >> 20))

        def grow(size: int) -> None:
            san.run("iscsi", "lun", str(SMALL), "--size", str(size >> 20))

        def holding(host: HostHandle) -> AbstractContextManager[None]:
            return foreign_domain(san, host.name, 100, SMALL)

        yield LunLab(store, *hosts, lun(san, SMALL), lun(san, 99), grow, holding)
        for host in hosts:
            host.transport.run(["rm", "-rf", "/var/lib/nebula/datastores/100"], root=True)

    def test_what_copies_a_lun_is_killed_and_copies_it_at_the_next_go(self, san: LabHandle, luns: LunLab) -> None:
        store, host, out = luns.datastore, luns.source, f"{luns.source.root}/out.qcow2"
        staged, original = stage(luns), f"{luns.source.root}/original.qcow2"
        host.transport.run(["cp", staged, original], root=True)
        deeds: list[Callable[[], None]] = [
            lambda: store.take_in(host, image_of(luns), staged, **HOW),
            lambda: store.copy_out(host, disk_of(luns), out, **HOW),
        ]
        for do in deeds:
            error = killed(host, Gate(san, "h1", "qemu-img", "convert"), do)
            assert isinstance(error, CommandError)
            assert host.transport.run(["ls", out], root=True, check=False).status, "no half of a file"
            do()
        host.transport.run(["qemu-img", "compare", original, out], root=True)
        assert "part" not in host.transport.run(["ls", "-R", host.root], root=True).text
        host.transport.run(["rm", original, out], root=True)

    def test_a_wrong_password_and_a_dead_target_are_told_apart(self, san: LabHandle, luns: LunLab) -> None:
        wrong = IscsiDatastore(101, {**settings(san), "ISCSI_PASSWORD": "wrong-horse"})
        with pytest.raises(ConflictError, match="refuses the login of host h1"):
            wrong.has_image(luns.source, image_of(luns))
        san.run("iscsi", "stop")
        try:
            with pytest.raises(TimedOutError, match="does not answer host h1"):
                luns.datastore.has_image(luns.source, image_of(luns))
        finally:
            san.run("iscsi", "start")


_DOMAIN = """
<domain type='qemu'><name>foreign</name><memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os><devices>
<disk type='{kind}' device='disk'><driver name='qemu' type='raw'/>{source}<target dev='vda' bus='virtio'/></disk>
</devices></domain>
"""
_ISCSI = """
<source protocol='iscsi' name='{name}'><host name='{host}' port='3260'/>
<auth username='{user}'><secret type='iscsi' uuid='{secret}'/></auth></source>
"""


@contextmanager
def _loop_device(file: Path, size: int, name: str) -> Iterator[Callable[[int], None]]:
    """A block device that is called so; what is yielded lets it grow."""
    file.write_bytes(b"\0" * size)
    device = subprocess.run(
        ["losetup", "--find", "--show", str(file)], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).symlink_to(device)

    def grow(wanted: int) -> None:
        os.truncate(file, wanted)
        subprocess.run(["losetup", "-c", device], check=True)

    try:
        yield grow
    finally:
        Path(name).unlink()
        subprocess.run(["losetup", "-d", device], check=True)


@contextmanager
def foreign_domain(lab: LabHandle, host: str, datastore_id: int, number: int) -> Iterator[None]:
    """Somebody's domain on the host has the LUN, with the secret of that datastore; it is paused."""
    source = portal_of(datastore_id, settings(lab)).source(lun(lab, number))
    about = _ISCSI.format(name=source.name, host=source.portal[0], user=source.user, secret=source.secret)
    with _domain(lab, host, "network", about):
        yield


@contextmanager
def _domain(lab: LabHandle, host: str, kind: str, source: str) -> Iterator[None]:
    domain = _DOMAIN.format(kind=kind, source=source)
    lab.exec(host, "sh", "-c", 'printf %s "$1" | virsh -q create --paused /dev/stdin', "sh", domain)
    yield
    lab.exec(host, "virsh", "-q", "destroy", "foreign")


class TestDevice(LunContract):
    """A block device that the hosts' kernels have, by a name that stays."""

    @pytest.fixture
    def luns(self, san: LabHandle, hosts: tuple[HostHandle, HostHandle]) -> Iterator[LunLab]:
        name = f"/dev/disk/by-id/nebula-test-{san.status()['number']}"

        def holding(host: HostHandle) -> AbstractContextManager[None]:
            return _domain(san, host.name, "block", f"<source dev='{name}'/>")

        with _loop_device(san.root / "device", SIZE, name) as grow:
            yield LunLab(DevDatastore(100, {}), *hosts, name, "/dev/disk/by-id/nebula-test-none", grow, holding)
        for host in hosts:
            host.transport.run(["rm", "-rf", "/var/lib/nebula/datastores/100"], root=True)
