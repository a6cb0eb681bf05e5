"""Images that are brought over the network to an engine whose disk does not hold them."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nebula.drivers.sim.faults import FOREVER
from nebula.engine.lifecycle.states import ImageState
from tests.support.sim import CALL, sim_engine, until


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing on stderr; `asked` is for what, in turn."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """See SimpleHTTPRequestHandler."""
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """See SimpleHTTPRequestHandler; who asked may go away."""
        with suppress(ConnectionError):
            super().copyfile(source, outputfile)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A server of "large", 64 MiB, and "little", 64 KiB; its URL."""
    Quiet.asked.clear()
    folder = tmp_path / "site"
    folder.mkdir()
    for name, size in (("large", 64 << 20), ("little", 64 << 10)):
        (folder / name).touch()
        os.truncate(folder / name, size)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of 24 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)  # sqlite's connections of threads that ended go with the garbage


def test_an_image_whose_host_falls_silent_waits_for_it_and_is_fetched_once(site: str, tmp_path: Path) -> None:
    with sim_engine(tmp_path / "home") as sim:
        order = sim.world.faults.error("*", "transport.upload", "unreachable", FOREVER)
        job = sim.engine.images.create({"name": "little", "url": f"{site}/little", "datastore": "disks"}, CALL).job_id
        until(lambda: sim.job(job).state == "waiting" and sim.job(job).attempt > 1, "a job that waits")
        assert sim.job(job).error["code"] == "unreachable"
        assert sim.image("little").state == ImageState.LOCKED
        assert Quiet.asked == ["/little"]
        sim.restart()
        sim.world.faults.release(order)
        until(lambda: sim.job(job).state == "done", "the end of the job")
        assert Quiet.asked == ["/little"], "what came from the server is still there"
        assert sim.image("little").state == ImageState.READY
        assert list((tmp_path / "home" / "staging").iterdir()) == []
        sim.assert_sound()


def test_an_image_that_waits_for_its_host_can_be_cancelled(site: str, tmp_path: Path) -> None:
    with sim_engine(tmp_path / "home") as sim:
        order = sim.world.faults.error("*", "transport.upload", "unreachable", FOREVER)
        job = sim.engine.images.create({"name": "little", "url": f"{site}/little", "datastore": "disks"}, CALL).job_id
        until(lambda: sim.job(job).state == "waiting", "a job that waits")
        sim.engine.jobs.cancel(job, CALL)
        until(lambda: sim.job(job).state == "cancelled", "the end of the job")
        sim.world.faults.release(order)
        assert sim.image("little").state == ImageState.ERROR
        assert list((tmp_path / "home" / "staging").iterdir()) == []
        sim.assert_sound()


def test_an_image_whose_server_does_not_answer_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nebula.images.download._FRUITLESS", 1)
    with sim_engine(tmp_path / "home") as sim:
        job = sim.engine.images.create({"name": "none", "url": "http://127.0.0.1:9/none", "datastore": "disks"}, CALL).job_id
        sim.settle()
        assert (sim.job(job).state, sim.job(job).attempt) == ("failed", 0)
        assert sim.job(job).error["code"] == "unreachable"
        assert sim.image("none").state == ImageState.ERROR


def test_a_download_that_fills_the_engines_disk_is_one_error_and_leaves_nothing(site: str, small_disk: Path) -> None:
    with sim_engine(small_disk / "home") as sim:
        job = sim.engine.images.create({"name": "large", "url": f"{site}/large", "datastore": "disks"}, CALL).job_id
        sim.settle()
        error = sim.job(job).error
        assert (sim.job(job).state, error["code"], error["cause"]) == ("failed", "capacity", "No space left on device")
        assert error["hint"] == f"df -h {small_disk}/home/staging"
        assert sim.image("large").state == ImageState.ERROR
        assert "there is no room for" in sim.image("large").error
        assert list((small_disk / "home" / "staging").iterdir()) == []
        sim.engine.images.remove("large", CALL)
        sim.add_image("little", url=f"{site}/little", size=0)
        sim.add_vm("one", DISK=[{"IMAGE": "little"}])
        assert sim.state("one") == "RUNNING"
        sim.assert_sound()
