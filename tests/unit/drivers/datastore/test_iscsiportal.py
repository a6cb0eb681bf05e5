"""Settings of datastores of LUNs, the names of LUNs, and what a host is given of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.dev import DevDatastore
from nebula.drivers.datastore.iscsi import IscsiDatastore
from nebula.drivers.datastore.iscsiportal import portal_of
from nebula.errors import UsageError
from nebula.model.iscsi import parse
from nebula.model.storage import DiskSpec, ImageSpec
from nebula.transport.local import LocalTransport

PASSWORD = "correct-horse-battery"
SETTINGS = {"ISCSI_HOST": "10.0.0.9:3261", "ISCSI_USER": "nebula", "ISCSI_PASSWORD": PASSWORD}
LUN = "iqn.2026-01.org.example:San/3"


def image(source: str) -> ImageSpec:
    return ImageSpec(image_id=1, uuid="00000000-0000-4000-8000-000000000001", format="raw", size=1 << 20, source=source)


def handle(root: Path, transport: LocalTransport) -> HostHandle:
    return HostHandle(
        host_id=1, name="h", address="", user="root", port=22, virt="qemu", root=str(root), transport=transport
    )  # fmt: skip


def test_a_disk_is_told_of_by_portal_target_user_and_secret(tmp_path: Path) -> None:
    datastore = IscsiDatastore(100, SETTINGS)
    disk = DiskSpec(vm_id=7, disk_id=0, kind="persistent", format="raw", image=image(LUN))
    source = parse(datastore.disk_path(handle(tmp_path, LocalTransport("h")), disk))
    assert (source.name, source.portal, source.user) == (LUN.lower(), ("10.0.0.9", 3261), "nebula")
    assert source.secret == portal_of(100, SETTINGS).secret != portal_of(101, SETTINGS).secret
    assert PASSWORD not in source.text + datastore.portal.options(LUN)


def test_the_secret_can_be_one_that_libvirt_has() -> None:
    source = portal_of(100, {"ISCSI_HOST": "san", "ISCSI_USER": "nebula", "ISCSI_USAGE": "libvirtiscsi"}).source(LUN)
    assert (source.usage, source.secret) == ("libvirtiscsi", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISCSI_HOST", ""),
        ("ISCSI_HOST", "san,file.lun=2"),
        ("ISCSI_HOST", "a b"),
        ("ISCSI_USER", "nebula,file.lun=2"),
        ("ISCSI_USER", ""),
        ("ISCSI_PASSWORD", ""),
        ("ISCSI_PASSWORD", "two words"),
        ("ISCSI_USAGE", "a'b"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError) as refused:
        portal_of(100, {**SETTINGS, name: value})
    assert not value or name != "ISCSI_PASSWORD" or value not in str(refused.value)


@pytest.mark.parametrize("name", ["iqn.2026-01.org.example:san", "san/1", f"{LUN},file.user=x", f"{LUN}99999", "/dev/sda", ""])
def test_what_names_no_lun_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="names no LUN"):
        IscsiDatastore(100, SETTINGS).canonical_source(name)


@pytest.mark.parametrize(
    "path", ["/dev/sdb", "/dev/disk/by-id/../../sdb", "/dev/disk/by-id/a,b", "disk", "/dev/mapper/", "/dev/mapper/a b"]
)
def test_a_path_that_does_not_last_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="is no path that a LUN keeps"):
        DevDatastore(100, {}).canonical_source(path)


@pytest.mark.parametrize("path", ["/dev/disk/by-id/wwn-0x600a0b80", "/dev/mapper/mpatha", "/dev/disk/by-path/ip-10.0.0.9:3260"])
def test_a_path_that_lasts_is_the_lun(path: str) -> None:
    datastore = DevDatastore(100, {})
    assert datastore.source_at(datastore.path_of(path)) == path


class Watched(LocalTransport):
    """Keeps all that is said on command lines."""

    def __init__(self) -> None:
        super().__init__("h")
        self.seen = ""

    def run(self, argv: Any, **how: Any) -> Any:
        self.seen += "\n".join(argv)
        return super().run(argv, **{**how, "check": False})


def test_the_password_comes_to_the_host_by_standard_input_alone(tmp_path: Path) -> None:
    watched = Watched()
    told, portal = handle(tmp_path, watched), portal_of(100, SETTINGS)
    portal.prepare(told)
    assert PASSWORD not in watched.seen
    written = Path(portal.password_file(told))
    assert (written.read_text(), written.stat().st_mode & 0o777) == (PASSWORD, 0o600)
