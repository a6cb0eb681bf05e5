"""NFS for a shared datastore: what settings mean, when commands are refused, what this machine exports to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore import nfsexport
from nebula.drivers.datastore.mounted import Mount, MountedTransport
from nebula.drivers.datastore.nfs import nfs_of
from nebula.drivers.datastore.shared import SharedDatastore
from nebula.errors import CommandError, ConflictError, NebulaError, UnreachableError, UsageError
from nebula.model.storage import ImageSpec
from nebula.transport.local import LocalTransport

SETTINGS = {"NFS_AUTO_HOST": "10.0.0.5", "NFS_AUTO_PATH": "/srv/nebula"}
IMAGE = ImageSpec(image_id=1, uuid="00000000-0000-4000-8000-000000000001", format="qcow2", size=1 << 20)
HERE = LocalTransport("h1")
EXPORTS = "on 10.0.0.5: exportfs -v, which must name /srv/nebula for h1"
AWAY = "on 10.0.0.5: systemctl status nfs-server, then: nebula datastore check 7"


def host(root: Path) -> HostHandle:
    return HostHandle(host_id=1, name="h1", address="", user="root", port=22, virt="qemu", root=str(root), transport=HERE)


def mount(directory: str) -> Mount:
    source = nfs_of(7, SETTINGS)
    assert source is not None
    return Mount(datastore_id=7, source=source, directory=directory)


def test_settings_name_a_server_by_opennebulas_words() -> None:
    source = nfs_of(7, {**SETTINGS, "NFS_AUTO_OPTS": "vers=4.1,nconnect=4"})
    assert source is not None
    assert source.source == "10.0.0.5:/srv/nebula"
    options = source.mount_options.split(",")
    assert (options[0], options[-2:]) == ("hard", ["vers=4.1", "nconnect=4"])
    assert nfs_of(7, {"path": "/srv/nebula"}) is None
    assert nfs_of(7, {**SETTINGS, "NFS_AUTO_ENABLE": "no"}) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"NFS_AUTO_PATH": "/srv"}, "names no NFS server"),
        ({"NFS_AUTO_HOST": "-o"}, "names no NFS server"),
        ({"NFS_AUTO_HOST": "nas", "NFS_AUTO_PATH": "srv"}, "names no export"),
        ({"NFS_AUTO_HOST": "nas", "NFS_AUTO_PATH": "/srv;x"}, "names no export"),
        ({**SETTINGS, "NFS_AUTO_OPTS": "soft"}, "cannot be soft"),
        ({**SETTINGS, "NFS_AUTO_OPTS": "vers=3,nolock"}, "cannot be nolock"),
        ({**SETTINGS, "NFS_AUTO_OPTS": "local_lock=all"}, "cannot be local_lock"),
        ({**SETTINGS, "NFS_AUTO_OPTS": "x y"}, "is no option"),
    ],
)
def test_what_makes_no_sense_or_would_lose_data_is_refused(settings: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        nfs_of(7, settings)


def test_nothing_is_written_where_something_else_is_mounted() -> None:
    with pytest.raises(ConflictError) as refused:
        MountedTransport(HERE, mount("/proc")).run(["touch", "/proc/there"], root=True)
    assert "something else is mounted there: proc proc" in refused.value.cause
    assert refused.value.hint == "ssh h1 umount /proc"


def test_nothing_is_mounted_over_files_and_nothing_is_written_beside_them(tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("somebody's")
    store = SharedDatastore(7, {**SETTINGS, "path": str(tmp_path)})
    with pytest.raises(ConflictError, match="is not usable at") as refused:
        store.create_empty(host(tmp_path / "root"), IMAGE)
    assert "the directory is not empty" in refused.value.cause
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]
    with pytest.raises(ConflictError):
        store.remove_image(host(tmp_path / "root"), IMAGE)
    (finding,) = store.check(host(tmp_path / "root"))
    assert (finding.check, finding.level, finding.fix) == ("datastore.mount", "error", f"ssh h1 ls -la {tmp_path}")


@pytest.mark.parametrize(
    ("said", "kind", "hint"),
    [
        ("silent", UnreachableError, AWAY),
        (
            "failed mount.nfs: Connection refused",
            UnreachableError,
            AWAY,
        ),
        ("failed mount.nfs: access denied by server while mounting", ConflictError, EXPORTS),
        ("stale stat: Stale file handle", ConflictError, "ssh h1 umount -l /mnt, then: nebula datastore check 7"),
        ("tool", ConflictError, "ssh h1 apt-get install -y nfs-common"),
    ],
)
def test_a_refusal_says_what_mends_it(said: str, kind: type[NebulaError], hint: str) -> None:
    error = mount("/mnt").error("h1", f"nebula-mount {said}\n")
    assert (type(error), error.hint) == (kind, hint)
    assert error.cause


def test_the_guard_is_put_on_once_and_commands_that_are_not_roots_go_by(tmp_path: Path) -> None:
    store = SharedDatastore(7, SETTINGS)
    ready = store.ready(host(tmp_path))
    assert store.ready(ready) is ready
    assert ready.transport.run(["echo", "by"]).text == "by\n"
    with pytest.raises(CommandError):
        ready.transport.run(["false"])
    assert store.base(ready) == f"{tmp_path}/datastores/7"
    assert store.capabilities.attached
    assert not SharedDatastore(7, {"path": "/srv/x"}).capabilities.attached


def test_what_this_machine_exports_itself_is_not_mounted_on_it(tmp_path: Path) -> None:
    store = SharedDatastore(7, {**SETTINGS, "NFS_EXPORT": "yes", "path": str(tmp_path)})
    store.attach(host(tmp_path))
    store.create_empty(host(tmp_path), IMAGE)
    assert (tmp_path / "images" / f"{IMAGE.uuid}.qcow2").exists()


def test_nor_where_that_machine_is_a_host_by_ssh(tmp_path: Path) -> None:
    """To mount its directory on itself would make that unchangeable for all."""
    data = tmp_path / "data"
    data.mkdir()
    source = nfs_of(7, {"NFS_AUTO_HOST": "localhost", "NFS_AUTO_PATH": str(data), "NFS_EXPORT": "yes"})
    assert source is not None
    own = Mount(datastore_id=7, source=source, directory=str(data))
    MountedTransport(HERE, own).run(["touch", f"{data}/there"], root=True)
    (data / "there").unlink()
    own.release(host(tmp_path))
    assert data.exists()


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was said to the NFS server's tools, which are not there for the tests."""
    said = tmp_path / "said"
    for name in ("exportfs", "systemctl"):
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >>{said}\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return said


def test_an_export_names_the_hosts_and_nobody_else_and_goes_without_a_trace(tmp_path: Path, told: Path) -> None:
    exports = tmp_path / "exports.d"
    data = tmp_path / "data"
    nfsexport.export(HERE, "one-7", str(data), ["10.0.0.2", "10.0.0.1"], str(exports))
    line = f"{data} 10.0.0.1({nfsexport.OPTIONS}) 10.0.0.2({nfsexport.OPTIONS})\n"
    assert (exports / "nebula-one-7.exports").read_text() == line
    assert told.read_text().splitlines()[-1] == "exportfs -ra"
    nfsexport.export(HERE, "one-7", str(data), ["10.0.0.2"], str(exports))
    assert "10.0.0.1" not in (exports / "nebula-one-7.exports").read_text()
    nfsexport.export(HERE, "one-7", str(data), [], str(exports))
    assert (exports / "nebula-one-7.exports").read_text() == "", "an export without clients would be everybody's"
    (data / "kept").touch()
    nfsexport.take_back(HERE, "one-7", str(exports))
    nfsexport.take_back(HERE, "one-7", str(exports))
    assert list(exports.iterdir()) == []
    assert (data / "kept").exists()


def test_only_addresses_are_exported_to() -> None:
    for client in ("*", "10.0.0.1(rw) *", "10.0.0.0/8", "-sec=sys"):
        with pytest.raises(UsageError, match="is no address"):
            nfsexport.text("/srv/nebula", [client])
