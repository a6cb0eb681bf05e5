"""Which way a migration goes, and what the target is told of its disks."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import msgspec
import pytest

from nebula.drivers.base import HostHandle, MigrationRequest
from nebula.drivers.hypervisor.libvirt.connection import Session, load_library
from nebula.drivers.hypervisor.libvirt.migration_route import FLAGS, UNTIL_USED, Way, forward_argv, plan
from nebula.drivers.hypervisor.libvirt.migration_xml import differs, with_paths
from nebula.drivers.hypervisor.libvirt.ownership import given, owned_otherwise, qemu_is_root, source_of, with_owners
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import UsageError
from nebula.transport.base import Completed
from nebula.transport.local import LocalTransport
from nebula.transport.scripts import sh

SOURCE = HostHandle(
    host_id=1,
    name="a",
    address="10.0.0.1",
    user="root",
    port=22,
    virt="kvm",
    root="/var/lib/nebula",
    transport=LocalTransport(),
)
TARGET = msgspec.structs.replace(SOURCE, host_id=2, name="b", address="10.0.0.2", port=2222)
DOMAIN = """<domain><devices>
<disk type='file'><source file='/a/0'><seclabel/></source><backingStore type='file'><source file='/a/base'/></backingStore>
<target dev='vda'/></disk>
<disk type='file' device='cdrom'><source file='/a/c'/><target dev='sda'/></disk>
<disk type='file' device='cdrom'><target dev='sdb'/></disk>
</devices></domain>"""


CONTROL = "/run/libvirt/libvirt-sock"


class Forwarding(LocalTransport):
    """A host that notes which of its ports and sockets it was told to forward instead of doing so."""

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        pairs = [word.split(":") for word in argv if word.count(":") == 3]
        self.forwarded = [f"{address}:{port}" for address, port, _, _ in pairs]
        (self.socket,) = (word.partition(":")[0] for word in argv if word.endswith(f":{CONTROL}"))
        return Completed(tuple(argv), 0, b"", b"")


def source() -> tuple[HostHandle, Forwarding]:
    transport = Forwarding()
    return msgspec.structs.replace(SOURCE, transport=transport), transport


def read(text: str) -> ET.Element:
    return parse(text, "a test's XML")


def request(**more: Any) -> MigrationRequest:
    return MigrationRequest(uuid="u", target=more.pop("target", TARGET), **more)


def test_every_migration_is_live_and_peer_to_peer_and_leaves_nothing_here() -> None:
    for tunnel in ("plain", "tls", "ssh"):
        here, told = source()
        route = plan(here, request(tunnel=tunnel), CONTROL)
        assert route.uri == f"qemu+unix:///system?socket={told.socket}"
        assert set(FLAGS) <= set(route.flags)
        bits = route.flag_bits(libvirt)
        assert bits & libvirt.VIR_MIGRATE_PEER2PEER
        assert bits & libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        assert bits & libvirt.VIR_MIGRATE_AUTO_CONVERGE
        assert not bits & libvirt.VIR_MIGRATE_UNSAFE


def test_a_guest_is_slowed_down_and_compressed_as_it_was_asked_for() -> None:
    plain = plan(source()[0], request(), CONTROL)
    assert not plain.flag_bits(libvirt) & libvirt.VIR_MIGRATE_COMPRESSED
    assert libvirt.VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL not in plain.typed(libvirt)
    asked = plan(source()[0], request(converge=(30, 0), compressed=True), CONTROL)
    assert asked.flag_bits(libvirt) & libvirt.VIR_MIGRATE_COMPRESSED
    assert asked.typed(libvirt)[libvirt.VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL] == 30
    assert libvirt.VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT not in asked.typed(libvirt)


def test_data_goes_the_way_that_was_asked_for() -> None:
    here = msgspec.structs.replace(TARGET, migration_address="fd00::2")
    plain = plan(source()[0], request(target=here, tunnel="plain"), CONTROL).typed(libvirt)
    assert plain[libvirt.VIR_MIGRATE_PARAM_URI] == "tcp://[fd00::2]"
    tls = plan(source()[0], request(tunnel="tls"), CONTROL)
    assert "VIR_MIGRATE_TLS" in tls.flags
    assert tls.typed(libvirt)[libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION] == "10.0.0.2"


@pytest.mark.parametrize("copied", [(), ("vda",)])
def test_ssh_carries_memory_and_disks_through_loopback_ports(copied: tuple[str, ...]) -> None:
    here, told = source()
    route = plan(here, request(tunnel="ssh", copy_targets=copied), CONTROL).typed(libvirt)
    (memory, disks) = told.forwarded
    assert route[libvirt.VIR_MIGRATE_PARAM_URI] == f"tcp://{memory}"
    assert route[libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS] == "127.0.0.1"
    assert route.get(libvirt.VIR_MIGRATE_PARAM_DISKS_URI) == (f"tcp://{disks}" if copied else None)


def test_copied_disks_and_limits_are_passed_on() -> None:
    route = plan(source()[0], request(tunnel="plain", copy_targets=("vda",), bandwidth_mib=7, shared_unsafe=True), CONTROL)
    assert {"VIR_MIGRATE_NON_SHARED_INC", "VIR_MIGRATE_UNSAFE"} <= set(route.flags)
    typed = route.typed(libvirt)
    assert typed[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] == ["vda"]
    assert typed[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] == 7


def test_a_target_without_an_address_is_refused() -> None:
    with pytest.raises(UsageError):
        plan(SOURCE, request(target=msgspec.structs.replace(TARGET, address="")), CONTROL)


def test_the_forward_listens_on_loopback_checks_the_key_and_ends_by_itself() -> None:
    argv = forward_argv("/r", TARGET, Way(socket="/r/ssh/to-1", control=CONTROL, port=61000))
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "-L"] == [
        f"/r/ssh/to-1:{CONTROL}",
        "127.0.0.1:61000:127.0.0.1:61000",
        "127.0.0.1:61001:127.0.0.1:61001",
    ]
    assert {"StrictHostKeyChecking=yes", "UserKnownHostsFile=/r/ssh/known_hosts", "BatchMode=yes"} <= set(argv)
    assert argv[argv.index("--") + 1] == "10.0.0.2"
    assert shlex.split(argv[-1])[-3:] == ["60", "61000", "61001"]


def test_where_qemus_talk_by_themselves_only_control_is_forwarded() -> None:
    argv = forward_argv("/r", TARGET, Way(socket="/r/ssh/to-1", control=CONTROL))
    assert argv.count("-L") == 1
    assert shlex.split(argv[-1]) == ["sleep", "60"]


def test_it_ends_with_the_first_connection_but_not_for_a_past_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        until_used = sh(UNTIL_USED, "1", str(port), "1")
        assert subprocess.run(until_used, check=False).returncode == 1
        _connection(server)
        assert subprocess.run(until_used, check=False).returncode == 1
        with subprocess.Popen(sh(UNTIL_USED, "60", str(port), "1")) as waiting:
            time.sleep(1)
            _connection(server)
            assert waiting.wait(50) == 0


def _connection(server: socket.socket) -> None:
    """One that was, and is remembered by the kernel."""
    with socket.create_connection(server.getsockname()) as client:
        server.accept()[0].close()
        client.recv(1)


def test_moved_disks_are_looked_at_anew_and_others_stay() -> None:
    root = read(with_paths(DOMAIN, {"vda": "/b/0", "sda": "/a/c"}))
    assert [source.get("file") for source in root.iterfind("devices/disk/source")] == ["/b/0", "/a/c"]
    assert root.find("devices/disk/backingStore") is None


def test_only_a_real_difference_counts() -> None:
    assert differs(DOMAIN, {"vda": "/b/0"})
    assert not differs(DOMAIN, {"vda": "/a/0", "sda": "/a/c", "sdb": "/x", "vdz": "/y"})


OWNER = "devices/disk/source/seclabel[@model='dac']"
CAPABILITIES = """<capabilities><host><secmodel><model>none</model></secmodel><secmodel><model>dac</model>
<baselabel type='kvm'>{label}</baselabel><baselabel type='qemu'>{label}</baselabel></secmodel></host></capabilities>"""


@pytest.mark.parametrize(("label", "root"), [("+0:+0", True), ("+64055:+108", False), ("+0:+108", False)])
def test_who_qemu_is(label: str, root: bool) -> None:
    assert qemu_is_root(CAPABILITIES.format(label=label)) is root
    assert not qemu_is_root("<capabilities><host/></capabilities>")


@pytest.mark.parametrize(("label", "left"), [("+0:+0", 1), ("+64055:+108", 0)])
def test_a_file_that_a_running_guest_is_given_is_left_to_its_owner_where_qemu_is_root(label: str, left: int) -> None:
    conn = SimpleNamespace(getCapabilities=lambda: CAPABILITIES.format(label=label))
    source = source_of(Session(load_library(), conn), "/srv/disk.0.1")
    assert source.get("file") == "/srv/disk.0.1"
    assert len(source.findall("seclabel[@model='dac'][@relabel='no']")) == left


@pytest.mark.parametrize(("label", "expected"), [("+0:+0", ("", [])), ("+64055:+108", ("64055:108", ["/a/disk.0"]))])
def test_what_another_libvirt_took_is_given_to_the_qemu_that_has_it(label: str, expected: tuple[str, list[str]]) -> None:
    live = """<domain><devices><disk><source file='/a/disk.0'/></disk><disk><source file='/a/left'>
        <seclabel model='dac' relabel='no'/></source></disk><disk><target dev='sda'/></disk></devices></domain>"""
    domain = SimpleNamespace(isActive=lambda: True, XMLDesc=lambda _flags: live)
    conn = SimpleNamespace(getCapabilities=lambda: CAPABILITIES.format(label=label), lookupByUUIDString=lambda _uuid: domain)
    assert given(Session(load_library(), conn), "6f1b6c5e-0a55-4e0c-9a43-3f2e8d1c0b78") == expected


def test_disks_are_left_to_their_owner_or_not() -> None:
    left = with_owners(DOMAIN, True)
    labels = read(left).findall(OWNER)
    assert [label.get("relabel") for label in labels] == ["no"] * len(read(DOMAIN).findall("devices/disk/source"))
    assert owned_otherwise(DOMAIN, True)
    assert not owned_otherwise(left, True)
    assert with_owners(left, True) == left
    assert owned_otherwise(left, False)
    assert read(with_owners(left, False)).find(OWNER) is None
    assert not owned_otherwise(DOMAIN, False)


def test_what_a_disk_lies_on_is_left_to_its_owner_like_the_disk() -> None:
    text = """<domain><devices><disk><source file='/a/disk.0.1'/><backingStore><source file='/a/disk.0'>
        <seclabel model='dac' relabel='no'/></source><backingStore/></backingStore></disk></devices></domain>"""
    assert owned_otherwise(text, False)
    assert read(with_owners(text, False)).find("devices/disk/backingStore/source/seclabel") is None
    assert len(read(with_owners(text, True)).findall("devices/disk//seclabel[@relabel='no']")) == 2
