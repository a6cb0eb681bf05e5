"""Settings of a Ceph datastore, and what a host is given of them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.ceph import CephDatastore
from nebula.drivers.datastore.cephcluster import cluster_of
from nebula.errors import UsageError
from nebula.model.rbd import parse
from nebula.model.storage import DiskSpec, ImageSpec
from nebula.transport.local import LocalTransport

KEY = "AQBTwlRoAAAAABAAyZyZyZyZyZyZyZyZyZyZyw=="
IMAGE = ImageSpec(image_id=1, uuid="00000000-0000-4000-8000-000000000001", format="raw", size=1 << 20)
SETTINGS = {"POOL_NAME": "one", "CEPH_HOST": "10.0.0.1 10.0.0.2:6790", "CEPH_USER": "libvirt", "CEPH_KEY": KEY}


def host(root: Path) -> HostHandle:
    return HostHandle(
        host_id=1, name="h", address="", user="root", port=22, virt="qemu", root=str(root), transport=LocalTransport("h")
    )


def test_a_disk_is_told_of_by_pool_user_secret_and_monitors(tmp_path: Path) -> None:
    datastore = CephDatastore(100, SETTINGS)
    disk = DiskSpec(vm_id=7, disk_id=0, kind="clone", format="raw", image=IMAGE)
    source = parse(datastore.disk_path(host(tmp_path), disk))
    assert (source.pool, source.image) == ("one", f"nebula-{IMAGE.uuid}-7-0")
    assert (source.user, source.hosts) == ("libvirt", ("10.0.0.1", "10.0.0.2:6790"))
    assert source.secret == cluster_of(100, SETTINGS).secret != cluster_of(101, SETTINGS).secret
    assert KEY not in source.text


def test_the_secret_can_be_the_users_own(tmp_path: Path) -> None:
    own = "5a1cd1a5-3f0e-4b5c-9a39-6a2f6a0c1e07"
    told = CephDatastore(100, {**SETTINGS, "CEPH_SECRET": own}).image_path(host(tmp_path), IMAGE)
    assert parse(told).secret == own


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POOL_NAME", "one/two"),
        ("POOL_NAME", "-rf"),
        ("CEPH_USER", "client libvirt"),
        ("CEPH_HOST", "10.0.0.1|rm"),
        ("CEPH_HOST", "a'b"),
        ("CEPH_CONF", "ceph.conf"),
        ("CEPH_CONF", "/etc/../x y"),
        ("CEPH_SECRET", "none"),
        ("EC_POOL_NAME", "a b"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError):
        cluster_of(100, {**SETTINGS, name: value})


def test_a_key_that_is_none_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        cluster_of(100, {**SETTINGS, "CEPH_KEY": "not a key"})
    assert "not a key" not in str(refused.value)


class Watched(LocalTransport):
    """Keeps all that is said on command lines."""

    def __init__(self) -> None:
        super().__init__("h")
        self.seen = ""

    def run(self, argv, **how):  # type: ignore[no-untyped-def]
        self.seen += "\n".join(argv)
        return super().run(argv, **{**how, "check": False})


def test_the_key_comes_to_the_host_by_standard_input_alone(tmp_path: Path) -> None:
    watched = Watched()
    cluster, told = cluster_of(100, SETTINGS), msgspec.structs.replace(host(tmp_path), transport=watched)
    cluster.prepare(told)
    assert KEY not in watched.seen
    ring, conf = (Path(cluster.file(told, kind)) for kind in ("keyring", "conf"))
    assert (KEY in ring.read_text(), ring.stat().st_mode & 0o777) == (True, 0o600)
    assert "mon_host = 10.0.0.1,10.0.0.2:6790" in conf.read_text()
    assert KEY not in conf.read_text()


_VIRSH = """#!/bin/sh
shift 3
case $1 in
secret-list) cat {known} ;;
secret-dumpxml) echo "<secret><description>$(cat {described})</description></secret>" ;;
secret-undefine) echo "$2" >>{gone}; : >{known} ;;
secret-define) cat >/dev/null ;;
esac
"""


@pytest.mark.parametrize(("described", "goes"), [("nebula-100", True), ("somebody's", False)])
def test_what_a_host_was_given_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, described: str, goes: bool
) -> None:
    cluster, told = cluster_of(100, SETTINGS), host(tmp_path)
    files = {name: tmp_path / name for name in ("known", "described", "gone")}
    files["known"].write_text(f" {cluster.secret}   ceph nebula-100\n")
    files["described"].write_text(described)
    files["gone"].touch()
    (tmp_path / "virsh").write_text(_VIRSH.format(**files))
    (tmp_path / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    cluster.prepare(told)
    for _ in range(2):
        cluster.leave(told)
        assert list((tmp_path / "ceph").iterdir()) == []
    assert files["gone"].read_text().split() == ([cluster.secret] if goes else [])


def test_a_secret_of_the_users_own_stays(tmp_path: Path) -> None:
    own = {"CEPH_SECRET": "5a1cd1a5-3f0e-4b5c-9a39-6a2f6a0c1e07", "CEPH_KEY": "", "CEPH_HOST": "10.0.0.1"}
    watched = Watched()
    cluster_of(100, {**SETTINGS, **own}).leave(msgspec.structs.replace(host(tmp_path), transport=watched))
    assert own["CEPH_SECRET"] not in watched.seen
