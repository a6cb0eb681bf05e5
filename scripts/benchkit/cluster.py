"""A cluster on simulated hosts: what the control plane is measured on. Its verbs are the façade's, in-process or remote."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchkit import cluster_source  # noqa: F401 - finds nebula
from benchkit.errors import BenchError
from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.values import Accepted, Call, Query
from nebula.engine.api.verbs import Engine
from nebula.engine.local.engine import LocalEngine, own
from nebula.engine.settings import Settings
from nebula.errors import NebulaError

HOSTS = 20
CLIENTS = 8
PATIENCE = 600.0
CALL = Call(actor="bench")
DEFAULTS = Settings()
QUIET = Settings(monitor_interval=PATIENCE)
"""An engine whose monitor does not look while something else is measured."""


@contextmanager
def engine(home: Path, settings: Settings = DEFAULTS, *, in_memory: bool = False) -> Iterator[LocalEngine]:
    """An engine that owns `home`, in this process; `in_memory`: its simulated hosts cost no disk, and are gone with it."""
    made = own(home, "bench", settings=settings)
    if made is None:
        raise BenchError(f"somebody else owns {home}")
    transports = made.services.transports
    if in_memory:
        transports._world = SimWorld.in_memory()
    try:
        yield made
    except NebulaError as error:
        raise BenchError(f"{error} {error.cause}".strip(), hint=error.hint) from error
    finally:
        made.close()
        if transports._world is not None:
            transports._world.close()


def new_home(home: Path) -> Path:
    """A home that is there and empty, so that a daemon and who asks for it do not both make it."""
    with engine(home):
        return home


def furnish(target: Engine, hosts: int = HOSTS) -> None:
    """Hosts, a datastore, a network of 65,000 addresses, and an image on each host's first use; done when this returns."""
    made = [target.hosts.add({"name": f"host-{number}", "driver": "sim"}, CALL) for number in range(1, hosts + 1)]
    made.append(target.datastores.create({"name": "bench", "driver": "sim"}, CALL))
    ranges = [{"IP": "10.80.0.2", "SIZE": "65000"}]
    network = {"name": "lan", "driver": "sim", "gateway": "10.80.0.1", "prefix_length": 16, "ranges": ranges}
    made.append(target.networks.create(network, CALL))
    finish(target, made)
    finish(target, [target.images.create({"name": "base", "size": 1 << 20, "datastore": "bench"}, CALL)])


def _ended(target: Engine, job_id: int) -> bool:
    return target.jobs.show(job_id).finished


def finish(target: Engine, accepted: list[Accepted]) -> None:
    """Wait for what was accepted; BenchError if one of the jobs failed."""
    for job_id in (answer.job_id for answer in accepted if answer.job_id):
        await_(partial(_ended, target, job_id), f"job {job_id}")
        view = target.jobs.show(job_id)
        if view.state != "done":
            raise BenchError(f"the {view.kind} of {view.target} ended as {view.state}: {view.error.get('message', '')}")


def await_(met: Callable[[], bool], what: str, *, seconds: float = PATIENCE, pause: float = 0.01) -> None:
    """Look until it is so; BenchError after `seconds`."""
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            raise BenchError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)


def template(number: int) -> dict[str, Any]:
    """A small VM with a disk and a card: 500 of them fit on a host."""
    return {
        "NAME": f"vm-{number}",
        "CPU": "0.02",
        "VCPU": 1,
        "MEMORY": 64,
        "DISK": [{"IMAGE": "base"}],
        "NIC": [{"NETWORK": "lan"}],
    }


def create(clients: list[Engine], numbers: range, *, hold: bool) -> float:
    """Create those VMs, each client one after the other, all clients at once; seconds until the last was answered."""

    def work(place: int) -> None:
        for number in numbers[place :: len(clients)]:
            clients[place].vms.create(template(number), Call(actor="bench", key=str(uuid.uuid4())), hold=hold)

    with ThreadPoolExecutor(len(clients)) as pool:
        began = time.perf_counter()
        list(pool.map(work, range(len(clients))))
        return time.perf_counter() - began


def running(target: Engine) -> int:
    """How many VMs are RUNNING."""
    return len(target.vms.list(Query(columns=("id",), filters=(("state", "=", "RUNNING"),))).rows)
