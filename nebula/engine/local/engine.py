"""The engine in this process: the façade over a store, and, for its owner, the runner, the scheduler and the monitor."""

from __future__ import annotations

import gc
import logging
import time
from functools import cache
from pathlib import Path

from nebula.clock import Clock, SystemClock
from nebula.engine.api.verbs import Engine
from nebula.engine.autostart import bring_back
from nebula.engine.drs.loop import DrsLoop
from nebula.engine.drs.outlook import Measured
from nebula.engine.drs.planner import Planner
from nebula.engine.home import Ownership, prepare
from nebula.engine.hosts import HostPool, TransportMaker
from nebula.engine.identity import ensure_identity
from nebula.engine.jobs.runner import Runner
from nebula.engine.journal import Journals
from nebula.engine.leases import Leases
from nebula.engine.local.backups import LocalBackups
from nebula.engine.local.clusters import LocalClusters
from nebula.engine.local.datastores import LocalDatastores
from nebula.engine.local.declarations import LocalDeclarations
from nebula.engine.local.drs import LocalDrs
from nebula.engine.local.events import LocalEvents
from nebula.engine.local.guard import seen_by
from nebula.engine.local.hosts import LocalHosts
from nebula.engine.local.images import LocalImages
from nebula.engine.local.jobs import LocalJobs
from nebula.engine.local.metrics import LocalMetrics
from nebula.engine.local.networks import LocalNetworks
from nebula.engine.local.onegate import LocalOneGate
from nebula.engine.local.schedules import LocalSchedules
from nebula.engine.local.securitygroups import LocalSecurityGroups
from nebula.engine.local.system import LocalSystem
from nebula.engine.local.templates import LocalTemplates
from nebula.engine.local.vmgroups import LocalVmGroups
from nebula.engine.local.vms import LocalVms
from nebula.engine.monitor.loop import Monitor
from nebula.engine.scheduler.loop import Scheduler
from nebula.engine.scheduler.measured import lately
from nebula.engine.schedules.loop import Schedules
from nebula.engine.services import Services
from nebula.engine.settings import Settings
from nebula.engine.startup import begin
from nebula.engine.store import schema
from nebula.engine.store.backup import put_aside
from nebula.engine.store.database import Location, parse_url
from nebula.engine.store.store import Store

_log = logging.getLogger(__name__)
_YOUNG = 10_000
"""New objects after which garbage in rings is looked for; most objects go without that."""
_LONGEST_WAIT = 60.0
"""Seconds of a single wait: the system's calls take no infinite ones."""


class LocalEngine:
    """See nebula.engine.api.verbs.Engine. Made by `own` or `read_only`."""

    def __init__(self, services: Services, *, ownership: Ownership | None, role: str) -> None:
        self._services = services
        self._ownership = ownership
        self.role = role
        self.started = services.clock.now()
        self.runner = Runner(services)
        leases = Leases()
        self.hosts = LocalHosts(services, self.runner)
        self.clusters = LocalClusters(services, self.runner)
        self.datastores = LocalDatastores(services, self.runner)
        self.images = LocalImages(services, self.runner)
        self.networks = LocalNetworks(services, self.runner, leases)
        self.securitygroups = LocalSecurityGroups(services, self.runner)
        self.monitor = Monitor(services, self._host_is_back)
        planner = Planner(services, Measured(self.monitor.figures))
        self.vms = LocalVms(services, self.runner, leases, planner)
        self.templates = LocalTemplates(services, self.runner, leases, self.images)
        self.backups = LocalBackups(services, self.runner, leases, self.images)
        self.vmgroups = LocalVmGroups(services, self.runner)
        self.schedules = LocalSchedules(services, self.runner)
        self.runner.serve(self.vms)
        self.jobs = LocalJobs(services, self.runner)
        self.events = LocalEvents(services)
        self.system = LocalSystem(services, self)
        self.scheduler = Scheduler(services, self.vms.place, self.vms.move_away, lately(self.monitor.figures))
        self.journals = Journals(services)
        self._schedules = Schedules(services, self.vms)
        self.metrics = LocalMetrics(services, self.monitor.figures)
        self.drs = LocalDrs(services, self.runner, planner)
        self.onegate = LocalOneGate(services, self.runner)
        self.declarations = LocalDeclarations(services, self)
        self._drs_loop = DrsLoop(services, planner, self.drs.file)
        self._working = False

    @property
    def services(self) -> Services:
        """What the parts share."""
        return self._services

    def seen_by(self, actor: str) -> Engine:
        """The engine as the user of that name may see and change it."""
        return seen_by(self, self._services.people.person(actor))

    def served_at(self, socket: Path) -> None:
        """Tell whoever looks at the home where its owner listens."""
        if self._ownership is not None:
            self._ownership.tell(socket=str(socket))

    def leaving(self) -> None:
        """Tell whoever looks at the home that its owner is about to let go."""
        if self._ownership is not None:
            self._ownership.tell(stopping="yes")

    def work(self) -> None:
        """Take up jobs that were left, watch the hosts, place VMs."""
        self._working = True
        begin(self._services)
        self.monitor.start()
        self.runner.recover()
        self.scheduler.start()
        self.journals.start()
        self._schedules.start()
        self.drs.loop = self._drs_loop
        self._drs_loop.start()

    def _host_is_back(self, host_id: int) -> None:
        self.runner.host_is_back(host_id)
        bring_back(self._services, self.vms, host_id)

    def idle(self) -> bool:
        """Whether no job is runnable and nothing waits to be planned."""
        return self.scheduler.idle() and not self.runner.busy() and self.scheduler.idle()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until `idle`; False if time ran out."""
        deadline = time.monotonic() + timeout
        while (left := min(_LONGEST_WAIT, deadline - time.monotonic())) > 0:
            if self.scheduler.wait_idle(left) and self.runner.wait_idle(left) and self.idle():
                return True
        return False

    def close(self) -> None:
        """Let go at safe points: jobs are left as they are, durable, for the next owner."""
        if self._working:
            self._working = False
            self._schedules.stop()
            self.journals.stop()
            self._drs_loop.stop()
            self.scheduler.stop()
            self.runner.stop("engine is stopping")
            self.monitor.stop()
        else:
            self.runner.stop("engine is closing")
        self._services.pool.close()
        self._services.transports.close()
        self._services.store.close()
        if self._ownership is not None:
            self._ownership.release()


def make_services(home: Path, location: Location, settings: Settings | None = None, clock: Clock | None = None) -> Services:
    """Services over a prepared database."""
    used = clock or SystemClock()
    transports = TransportMaker(home)
    return Services(
        home=home,
        store=Store(location, used),
        pool=HostPool(transports),
        transports=transports,
        clock=used,
        settings=settings or Settings(),
    )


def own(
    home: Path, role: str, *, url: str = "", settings: Settings | None = None, clock: Clock | None = None
) -> LocalEngine | None:
    """Become the owner of the home and start to work; None if another process is.

    Raises VersionError for a newer database, ConflictError for a home on a network file system.
    """
    prepare(home)
    ownership = Ownership(home)
    if not ownership.take(role):
        return None
    try:
        location = parse_url(url, home)
        schema.prepare(location, put_aside=lambda: put_aside(location, home))
        services = make_services(home, location, settings, clock)
        _new_epoch(services)
        engine = LocalEngine(services, ownership=ownership, role=role)
    except BaseException:
        ownership.release()
        raise
    engine.work()
    _spare_collector()
    return engine


@cache
def _spare_collector() -> None:
    """Once a process: what the program is made of is garbage never, and a look through all of it would stop every thread for
    50 ms, again and again while many VMs are made.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)


def bring_up(home: Path, *, url: str = "") -> bool:
    """Make an older program's database this program's, with no work begun; False if another process owns the home.

    For commands that only read. Raises VersionError for a newer database.
    """
    ownership = Ownership(home)
    if not ownership.take("command"):
        return False
    try:
        location = parse_url(url, home)
        schema.prepare(location, put_aside=lambda: put_aside(location, home))
    finally:
        ownership.release()
    return True


def read_only(home: Path, *, url: str = "") -> LocalEngine:
    """The façade over the file alone, for commands that only read while nobody owns the home. Nothing is started."""
    location = parse_url(url, home)
    services = make_services(home, location)
    return LocalEngine(services, ownership=None, role="nobody")


def _new_epoch(services: Services) -> None:
    """From now on only this owner can write."""
    store = services.store
    from nebula.engine.store.promised import count_anew
    from nebula.engine.store.transaction import Transaction

    def raise_epoch(tx: Transaction) -> int:
        rows = tx.rows('SELECT "value" FROM "meta" WHERE "name"=?', ("epoch",))
        epoch = int(rows[0][0]) + 1 if rows else 1
        if rows:
            tx.execute('UPDATE "meta" SET "value"=? WHERE "name"=?', (str(epoch), "epoch"))
        else:
            tx.execute('INSERT INTO "meta" ("name", "value") VALUES (?, ?)', ("epoch", str(epoch)))
        ensure_identity(tx, services.new_uuid())
        if count_anew(tx):
            _log.warning("the sums of what hosts promised were not those of their VMs, and are now")
        return epoch

    store.own(store.write(raise_epoch))
