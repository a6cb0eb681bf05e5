"""Copies from host to host through a real sshd."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.making import shown_bytes
from nebula.errors import CommandError, ConflictError, InterruptedByUser, UnreachableError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec
from tests.contract.datastore import ISO, MIB, SIZE, DatastoreLab, clone_of, create, os_image, take_in, volatile
from tests.unit.drivers.datastore.conftest import free_port


@pytest.fixture
def lab(ssh_lab: DatastoreLab) -> DatastoreLab:
    return ssh_lab


@pytest.fixture
def slow(lab: DatastoreLab) -> Iterator[DatastoreLab]:
    """The same hosts, where the way from the source is slow: a copy takes long however quick the machine is."""
    with slow_way(lab.source.port) as port:
        known = Path(lab.target.root, "ssh", "known_hosts")
        known.write_text(known.read_text() + known.read_text().replace(f":{lab.source.port} ", f":{port} "))
        yield replace(lab, source=msgspec.structs.replace(lab.source, port=port))


def copy(lab: DatastoreLab, image: ImageSpec, **more: object) -> None:
    values = {"job": "3-copy", "progress": None, "cancel": None} | more
    lab.datastore.copy_image(lab.source, lab.target, image, **values)  # type: ignore[arg-type]


def move(lab: DatastoreLab, disks: list[DiskSpec], **more: object) -> None:
    values = {"job": "4-move", "progress": None, "cancel": None} | more
    lab.datastore.move_vm(lab.source, lab.target, 7, disks, **values)  # type: ignore[arg-type]


def write_raw(lab: DatastoreLab, image: ImageSpec, data: int, *, seed: bytes | None = None) -> Path:
    """A raw image at the source with `data` bytes that do not compress, and holes."""
    path = Path(lab.datastore.image_path(lab.source, image))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for number in range(8):
            file.seek(number * image.size // 8)
            file.write(seed or os.urandom(data // 8))
        file.truncate(image.size)
    return path


def test_holes_stay_holes_and_are_not_sent(lab: DatastoreLab) -> None:
    image = os_image(format="raw", size=256 * MIB)
    source = write_raw(lab, image, 16 * MIB)
    seen: list[tuple[int, int]] = []
    with counted_bytes(lab.source.port) as sent_from:
        copy(lab, image, progress=lambda *told: seen.append(told))
        sent = sent_from()
    target = Path(lab.datastore.image_path(lab.target, image))
    assert subprocess.run(["cmp", source, target], check=False).returncode == 0
    assert target.stat().st_blocks * 512 < 18 * MIB
    assert 16 * MIB < sent < 20 * MIB
    assert seen[-1] == (256 * MIB, 256 * MIB)
    assert leftovers(lab) == []


BYTES_PER_SECOND = 8 * MIB
LONG = 24 * MIB
"""Bytes of a copy by a slow way that is not over at the second look at it, which comes after 1.2 s."""


@contextmanager
def slow_way(port: int) -> Iterator[int]:
    """A port of this machine that leads to another one, from which bytes come slowly."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_accept, args=(server, port), daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, port: int) -> None:
    with suppress(OSError):  # it was closed
        while True:
            asking, _ = server.accept()
            answering = socket.create_connection(("127.0.0.1", port))
            Thread(target=_pass_on, args=(asking, answering, 0.0), daemon=True).start()
            Thread(target=_pass_on, args=(answering, asking, 1 / BYTES_PER_SECOND), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, seconds_a_byte: float) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
            time.sleep(len(data) * seconds_a_byte)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def counted_bytes(port: int) -> Iterator[Callable[[], int]]:
    """How many bytes came from a TCP port of this machine meanwhile, whatever else the machine does."""
    table = f"nebula_count_{port}_{os.getpid()}"
    rules = f"table inet {table} {{ chain heard {{ type filter hook input priority 0; tcp sport {port} counter; }}; }}"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield lambda: _counter(table)
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


def _counter(table: str) -> int:
    told = subprocess.run(["nft", "-j", "list", "table", "inet", table], capture_output=True, text=True, check=True)
    rules = [item["rule"] for item in json.loads(told.stdout)["nftables"] if "rule" in item]
    return sum(int(part["counter"]["bytes"]) for rule in rules for part in rule["expr"] if "counter" in part)


def leftovers(lab: DatastoreLab) -> list[Path]:
    root = Path(lab.target.root)
    return [path for path in root.rglob("*") if path.suffix in (".part", ".lock") or "work/" in str(path)]


ENGINE = """
import sys
import msgspec
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.ssh import SshDatastore
from nebula.model.storage import ImageSpec
from nebula.transport.local import LocalTransport

def handle(number, root, port):
    return HostHandle(host_id=number, name=f"node{number}", address="127.0.0.1", user="root", port=port, virt="qemu", root=root,
                      transport=LocalTransport(f"node{number}"))

source, target, port, image = sys.argv[1:]
SshDatastore(100, {}).copy_image(handle(1, source, int(port)), handle(2, target, int(port)),
                                 msgspec.json.decode(image, type=ImageSpec), job="3-copy", progress=None, cancel=None)
"""


def test_a_copy_outlives_its_engine_and_is_adopted(slow: DatastoreLab) -> None:
    image = os_image(format="raw", size=LONG)
    source = write_raw(slow, image, LONG)
    argv = [slow.source.root, slow.target.root, str(slow.source.port), msgspec.json.encode(image).decode()]
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, *argv])
    part = Path(slow.datastore.image_path(slow.target, image) + ".part")
    wait_for_size(part, MIB)
    engine.send_signal(signal.SIGKILL)
    assert engine.wait(10) == -signal.SIGKILL
    inode = part.stat().st_ino
    copy(slow, image)
    target = Path(slow.datastore.image_path(slow.target, image))
    assert target.stat().st_ino == inode
    assert subprocess.run(["cmp", source, target], check=False).returncode == 0
    assert leftovers(slow) == []


def wait_for_size(path: Path, size: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.005)
    raise AssertionError(f"{path} did not grow")


def set_token(token: CancelToken, reason: str, *_: int) -> None:
    token.set(reason)


def test_a_cancelled_copy_leaves_nothing_and_one_whose_engine_stops_goes_on(slow: DatastoreLab) -> None:
    image = os_image(format="raw", size=LONG)
    write_raw(slow, image, LONG)
    for reason in ("cancelled by alice", ENGINE_STOPPING):
        token = CancelToken()
        with pytest.raises(InterruptedByUser):
            copy(slow, image, cancel=token, progress=partial(set_token, token, reason))
        assert (leftovers(slow) == []) == (reason != ENGINE_STOPPING)
    copy(slow, image)
    assert slow.datastore.has_image(slow.target, image)


def test_a_copy_that_ended_while_no_engine_was_there_is_forgotten_by_the_next(slow: DatastoreLab) -> None:
    image = os_image(format="raw", size=LONG)
    write_raw(slow, image, LONG)
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        copy(slow, image, cancel=token, progress=partial(set_token, token, ENGINE_STOPPING))
    wait_for_size(Path(slow.datastore.image_path(slow.target, image)), MIB)
    copy(slow, image)
    assert leftovers(slow) == []


def test_an_abandoned_copy_is_ended_and_its_half_removed(slow: DatastoreLab) -> None:
    image = os_image(format="raw", size=LONG)
    write_raw(slow, image, LONG)
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        copy(slow, image, cancel=token, progress=partial(set_token, token, ENGINE_STOPPING))
    for _ in range(2):
        slow.datastore.abandon(slow.target, "3-copy")
        slow.datastore.remove_image(slow.target, image)
    assert leftovers(slow) == []
    assert not slow.datastore.has_image(slow.target, image)


def test_an_image_is_removed_with_what_was_uploaded_of_it(lab: DatastoreLab) -> None:
    image = os_image()
    staged = lab.datastore.staging_path(lab.source, image)
    for name in (staged, f"{staged}.part", f"{staged}.part.source"):
        Path(name).touch()
    lab.datastore.remove_image(lab.source, image)
    assert list(Path(staged).parent.iterdir()) == []


def test_a_part_is_continued(lab: DatastoreLab) -> None:
    image = os_image(format="raw", size=16 * MIB)
    source = write_raw(lab, image, 16 * MIB)
    target = Path(lab.datastore.image_path(lab.target, image))
    target.parent.mkdir(parents=True)
    with source.open("rb") as file:
        target.with_name(f"{target.name}.part").write_bytes(file.read(12 * MIB))
    with counted_bytes(lab.source.port) as sent_from:
        copy(lab, image)
        assert sent_from() < 6 * MIB
    assert subprocess.run(["cmp", source, target], check=False).returncode == 0


def test_a_copy_that_loses_its_source_waits_for_it_and_goes_on(slow: DatastoreLab) -> None:
    image = os_image(format="raw", size=LONG)
    source = write_raw(slow, image, LONG)
    target = Path(slow.datastore.image_path(slow.target, image))
    with ThreadPoolExecutor(1) as pool:
        copying = pool.submit(copy, slow, image)
        wait_for_size(target.with_name(f"{target.name}.part"), LONG // 4)
        subprocess.run(["pkill", "-KILL", "-f", f"rsync --server --sender .*{source}"], check=True)
        with pytest.raises(UnreachableError, match="lost the host from which it copies"):
            copying.result(60)
    closed = msgspec.structs.replace(slow.source, port=free_port())
    with pytest.raises(UnreachableError, match="Connection refused"):
        slow.datastore.copy_image(closed, slow.target, image, job="3-copy", progress=None, cancel=None)
    with counted_bytes(slow.source.port) as sent_from:
        copy(slow, image)
        assert sent_from() < LONG * 9 // 10
    assert subprocess.run(["cmp", source, target], check=False).returncode == 0
    assert leftovers(slow) == []


def test_a_stale_disk_at_the_target_is_refreshed(lab: DatastoreLab) -> None:
    kept = os_image(2, format="raw", persistent=True)
    disks = [DiskSpec(vm_id=7, disk_id=0, kind="persistent", format="raw", image=kept), volatile()]
    write_raw(lab, kept, 64 * 1024)
    create(lab, disks[1])
    move(lab, disks)
    newer = write_raw(lab, kept, 64 * 1024)
    Path(lab.datastore.disk_path(lab.source, disks[1])).write_bytes(b"x" * SIZE)
    move(lab, disks)
    assert Path(lab.datastore.image_path(lab.target, kept)).read_bytes() == newer.read_bytes()
    assert Path(lab.datastore.disk_path(lab.target, disks[1])).read_bytes() == b"x" * SIZE


def test_a_moved_overlay_finds_its_image_under_another_root(lab: DatastoreLab) -> None:
    disk = clone_of(take_in(lab, os_image()), size=SIZE * 2)
    create(lab, disk)
    lab.datastore.write_context(lab.source, 7, ISO)
    copy(lab, os_image())
    seen: list[tuple[int, int]] = []
    move(lab, [disk], progress=lambda *told: seen.append(told))
    path = lab.datastore.disk_path(lab.target, disk)
    lab.datastore.remove_vm(lab.source, 7, [disk])
    lab.datastore.remove_image(lab.source, os_image())
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "read -P 65 1M 64k", path], check=True, stdout=subprocess.DEVNULL)
    assert Path(path).with_name("context.iso").read_bytes() == ISO
    assert seen[-1][0] == seen[-1][1]


def test_a_disk_in_use_is_not_moved_nor_replaced(lab: DatastoreLab) -> None:
    disk = clone_of(take_in(lab, os_image()))
    create(lab, disk)
    copy(lab, os_image())
    lab.datastore.prepare_incoming(lab.target, [disk], None)
    path = lab.datastore.disk_path(lab.target, disk)
    user = subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert user.stdin
    assert user.stdout
    user.stdin.write(b"write 0 64k\n")
    user.stdin.flush()
    user.stdout.readline()
    with pytest.raises(ConflictError, match="in use"):
        move(lab, [disk])
    with pytest.raises(ConflictError, match="in use"):
        lab.datastore.prepare_incoming(lab.target, [disk], None)
    user.communicate(b"quit\n", timeout=30)
    move(lab, [disk])


def test_an_incoming_disk_is_empty_and_of_the_same_shape(lab: DatastoreLab) -> None:
    disk = clone_of(take_in(lab, os_image()), size=SIZE * 2)
    create(lab, disk)
    copy(lab, os_image())
    kept = DiskSpec(vm_id=7, disk_id=2, kind="persistent", image=os_image(2, persistent=True))
    lab.datastore.prepare_incoming(lab.target, [disk, volatile(), kept], ISO)
    base = Path(lab.datastore.disk_path(lab.target, disk)).parent
    assert sorted(path.name for path in base.iterdir()) == ["context.iso", "disk.0", "disk.1"]
    probe = lab.datastore.probe(lab.target, lab.datastore.image_path(lab.target, os_image(2)), "qcow2")
    assert probe.virtual_size == SIZE


def test_an_unknown_host_key_is_not_trusted(lab: DatastoreLab) -> None:
    image = take_in(lab, os_image())
    known = Path(lab.target.root, "ssh", "known_hosts")
    known.write_text("")
    with pytest.raises(CommandError, match="Host key verification failed"):
        copy(lab, image)
    assert not lab.datastore.has_image(lab.target, image)


@pytest.mark.parametrize("change", [{"address": "-oProxyCommand=id"}, {"user": "a b"}, {"address": "a;b"}])
def test_an_address_that_ssh_would_misread_is_refused(lab: DatastoreLab, change: dict[str, str]) -> None:
    image = take_in(lab, os_image())
    odd: HostHandle = msgspec.structs.replace(lab.source, **change)
    with pytest.raises(UsageError):
        copy(replace(lab, source=odd), image)


def test_a_host_without_an_address_cannot_give(lab: DatastoreLab) -> None:
    image = take_in(lab, os_image())
    with pytest.raises(ConflictError, match="no address"):
        copy(replace(lab, source=msgspec.structs.replace(lab.source, address="")), image)


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        (b"", None),
        (b"\r          32768   0%    0.00kB/s    0:00:00  \r", 32768),
        (b"\r   1,234,567  11%\r  2,345,678  22%    1.00MB/s    0:00:01", 2345678),
        (b"waiting for another copy\n", None),
    ],
)
def test_rsyncs_words_are_read(stdout: bytes, expected: int | None) -> None:
    assert shown_bytes(stdout) == expected


def test_two_jobs_that_want_the_same_image_copy_it_once(slow: DatastoreLab) -> None:
    image = os_image(format="raw", size=LONG)
    write_raw(slow, image, LONG)
    with counted_bytes(slow.source.port) as sent_from, ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(copy, slow, image, job=f"{number}-copy") for number in (1, 2)]:
            done.result(60)
        assert sent_from() < LONG * 3 // 2
    assert slow.datastore.has_image(slow.target, image)
    assert leftovers(slow) == []


def test_a_job_waits_as_long_as_another_holds_the_file(lab: DatastoreLab) -> None:
    image = take_in(lab, os_image())
    target = Path(lab.datastore.image_path(lab.target, image))
    target.parent.mkdir(parents=True)
    holder = subprocess.Popen(["flock", f"{target}.lock", "sleep", "6"])
    copy(lab, image)
    assert holder.wait(10) == 0
    assert lab.datastore.has_image(lab.target, image)
