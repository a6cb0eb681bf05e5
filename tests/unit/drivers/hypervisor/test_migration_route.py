"""Which way a migration goes, and what the target is told of its disks."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import msgspec
import pytest

from nebula.drivers.base import HostHandle, MigrationRequest
from nebula.drivers.hypervisor.libvirt.migration_route import FLAGS, forward_argv, peer_uri, plan
from nebula.drivers.hypervisor.libvirt.migration_xml import differs, with_paths
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import UsageError
from nebula.transport.local import LocalTransport

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


def read(text: str) -> ET.Element:
    return parse(text, "a test's XML")


def request(**more: Any) -> MigrationRequest:
    return MigrationRequest(uuid="u", target=more.pop("target", TARGET), **more)


def test_every_migration_is_live_and_peer_to_peer_and_leaves_nothing_here() -> None:
    for tunnel in ("plain", "tls", "ssh"):
        route = plan(SOURCE, request(tunnel=tunnel))
        assert set(FLAGS) <= set(route.flags)
        bits = route.flag_bits(libvirt)
        assert bits & libvirt.VIR_MIGRATE_PEER2PEER
        assert bits & libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        assert bits & libvirt.VIR_MIGRATE_AUTO_CONVERGE
        assert not bits & libvirt.VIR_MIGRATE_UNSAFE


def test_data_goes_the_way_that_was_asked_for() -> None:
    here = msgspec.structs.replace(TARGET, migration_address="fd00::2")
    plain = plan(SOURCE, request(target=here, tunnel="plain")).typed(libvirt)
    assert plain[libvirt.VIR_MIGRATE_PARAM_URI] == "tcp://[fd00::2]"
    tls = plan(SOURCE, request(tunnel="tls"))
    assert "VIR_MIGRATE_TLS" in tls.flags
    assert tls.typed(libvirt)[libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION] == "10.0.0.2"
    ssh = plan(SOURCE, request(tunnel="ssh"))
    assert "VIR_MIGRATE_TUNNELLED" in ssh.flags
    assert ssh.parameters == {}


def test_copied_disks_and_limits_are_passed_on() -> None:
    route = plan(SOURCE, request(tunnel="plain", copy_targets=("vda",), bandwidth_mib=7, shared_unsafe=True))
    assert {"VIR_MIGRATE_NON_SHARED_INC", "VIR_MIGRATE_UNSAFE"} <= set(route.flags)
    typed = route.typed(libvirt)
    assert typed[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] == ["vda"]
    assert typed[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] == 7


def test_the_peer_is_reached_with_the_hosts_own_key_and_pinned_keys() -> None:
    uri = peer_uri("/var/lib/nebula", msgspec.structs.replace(TARGET, user="a@b/c?d", address="fd00::2"))
    assert uri == (
        "qemu+libssh://a%40b%2Fc%3Fd@[fd00::2]:2222/system?keyfile=/var/lib/nebula/ssh/id_ed25519"
        "&known_hosts=/var/lib/nebula/ssh/known_hosts&known_hosts_verify=normal&sshauth=privkey&no_tty=1"
    )


def test_a_target_without_an_address_is_refused() -> None:
    with pytest.raises(UsageError):
        plan(SOURCE, request(target=msgspec.structs.replace(TARGET, address="")))


def test_the_forward_listens_on_loopback_checks_the_key_and_ends_by_itself() -> None:
    argv = forward_argv("/r", TARGET, 61000)
    assert [word for word in argv if word.count(":") == 3] == [
        "127.0.0.1:61000:127.0.0.1:61000",
        "127.0.0.1:61001:127.0.0.1:61001",
    ]
    assert {"StrictHostKeyChecking=yes", "UserKnownHostsFile=/r/ssh/known_hosts", "BatchMode=yes"} <= set(argv)
    assert argv[argv.index("--") :] == ["--", "10.0.0.2", "sleep", "60"]


def test_moved_disks_are_looked_at_anew_and_others_stay() -> None:
    root = read(with_paths(DOMAIN, {"vda": "/b/0", "sda": "/a/c"}))
    assert [source.get("file") for source in root.iterfind("devices/disk/source")] == ["/b/0", "/a/c"]
    assert root.find("devices/disk/backingStore") is None


def test_only_a_real_difference_counts() -> None:
    assert differs(DOMAIN, {"vda": "/b/0"})
    assert not differs(DOMAIN, {"vda": "/a/0", "sda": "/a/c", "sdb": "/x", "vdz": "/y"})
