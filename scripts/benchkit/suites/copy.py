"""An image from one real host to the other: the engine's datastore driver against rsync by hand, holes and all."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchkit.bare_engine import real
from benchkit.bare_lab import HOSTS, Lab, lab
from benchkit.cluster import CALL, finish
from benchkit.cluster_figure import few, figure
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from nebula.drivers.base import Datastore, HostHandle
from nebula.engine.local.engine import LocalEngine
from nebula.engine.machines.disks import image_spec
from nebula.engine.store.rows import DatastoreRow, HostRow, ImageRow
from nebula.model.storage import ImageSpec

MIB = 1 << 20
SIZE, CONTENT = 512 * MIB, 256 * MIB
"""Bytes of the file, and of them the first ones that are no hole."""
BY_HAND = "/var/lib/nebula/by-hand.raw"
RATE = f"MiB/s of a file with {SIZE // MIB} MiB, {(SIZE - CONTENT) // MIB} of them holes"


class Parts(NamedTuple):
    """The engine's own way to copy an image, and its ends."""

    driver: Datastore
    image: ImageSpec
    source: HostHandle
    target: HostHandle


def run(bench: Bench) -> Iterator[Figure]:
    """Content that does not compress, so that no tool gains by trying."""
    content = _content(bench.scratch / "content.raw")
    with lab(bench) as hosts, real(bench.scratch / "home", hosts) as local:
        finish(local, [local.images.create({"name": "big", "path": str(content), "host": HOSTS[0]}, CALL)])
        parts = _parts(local)
        taken, kept = _in_turn(bench, hosts, parts)
    limit = figure("rsync by hand", "MiB/s", map(_rate, taken["bare"]), RATE)
    flushed = figure("rsync by hand, flushed to disk as the engine does", "MiB/s", map(_rate, taken["flushed"]), RATE)
    yield limit
    yield flushed
    beside = f"by hand {limit.median:.0f}, flushed {flushed.median:.0f}; goal: 0.9 of it"
    yield figure("copy of an image, engine", "MiB/s", map(_rate, taken["engine"]), beside)
    yield figure("allocated of the copy, to the source's", "", [kept], "1: holes stay holes")


def _in_turn(bench: Bench, hosts: Lab, parts: Parts) -> tuple[dict[str, list[float]], float]:
    source = parts.driver.image_path(parts.source, parts.image)
    target = parts.driver.image_path(parts.target, parts.image)
    taken: dict[str, list[float]] = {"bare": [], "flushed": [], "engine": []}
    kept = 0.0
    for number in range(few(bench)):
        began = time.perf_counter()
        parts.driver.copy_image(parts.source, parts.target, parts.image, job=f"bench-{number}", progress=None, cancel=None)
        taken["engine"].append(time.perf_counter() - began)
        kept = _allocated(hosts, HOSTS[1], target) / _allocated(hosts, HOSTS[0], source)
        parts.driver.remove_image(parts.target, parts.image)
        for name, after in (("bare", "true"), ("flushed", f"sync {BY_HAND}")):
            words = f"{shlex.join(_rsync(parts, source))} && {after}"
            taken[name].append(hosts.timed(HOSTS[1], "sh", "-c", words) / 1000)
            hosts.ssh(HOSTS[1], "rm", BY_HAND)
    return taken, kept


def _rsync(parts: Parts, source: str) -> list[str]:
    """As a person would, with the key that the hosts have for each other."""
    keys = f"{parts.target.root}/ssh"
    shell = f"ssh -F none -i {keys}/id_ed25519 -o UserKnownHostsFile={keys}/known_hosts -o BatchMode=yes"
    return ["rsync", "--sparse", f"--rsh={shell}", f"root@{parts.source.address}:{source}", BY_HAND]


def _allocated(hosts: Lab, host: str, path: str) -> int:
    blocks, size = hosts.ssh(host, "stat", "-c", "%b %B", path).split()
    return int(blocks) * int(size)


def _content(path: Path) -> Path:
    with path.open("wb") as file:
        for _ in range(CONTENT // MIB):
            file.write(os.urandom(MIB))
        file.truncate(SIZE)
    return path


def _parts(local: LocalEngine) -> Parts:
    read, pool = local.services.store.read(), local.services.pool
    image = read.first(ImageRow, '"name"=?', ("big",))
    hosts = [read.first(HostRow, '"name"=?', (name,)) for name in HOSTS]
    if image is None or hosts[0] is None or hosts[1] is None:
        raise BenchError("the image or a host is missing")
    driver = pool.datastore(read.get(DatastoreRow, image.datastore_id))
    return Parts(driver, image_spec(image), pool.handle(hosts[0]), pool.handle(hosts[1]))


def _rate(seconds: float) -> float:
    return SIZE / MIB / seconds
