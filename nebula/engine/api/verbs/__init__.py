"""The façade: one Protocol a noun, one method a verb, the same in-process (LocalEngine) and through the socket
(RemoteEngine).

Objects are named by `ref`: an id ("7") or a name. Attributes are OpenNebula's, upper-case keys. Every verb that changes
something takes a `Call` and answers `Accepted` once it is durable; all raise the errors of `nebula.errors`.
"""

from __future__ import annotations

from typing import Protocol

from nebula.engine.api.verbs.backups import Backups
from nebula.engine.api.verbs.belongings import Belongings
from nebula.engine.api.verbs.clusters import Clusters
from nebula.engine.api.verbs.datastores import Datastores
from nebula.engine.api.verbs.declarations import Declarations
from nebula.engine.api.verbs.drs import Drs
from nebula.engine.api.verbs.events import Events
from nebula.engine.api.verbs.hosts import Hosts
from nebula.engine.api.verbs.images import Images
from nebula.engine.api.verbs.jobs import Jobs
from nebula.engine.api.verbs.metrics import Metrics
from nebula.engine.api.verbs.networks import Networks
from nebula.engine.api.verbs.onegate import OneGate
from nebula.engine.api.verbs.schedules import Schedules
from nebula.engine.api.verbs.securitygroups import SecurityGroups
from nebula.engine.api.verbs.streams import ByteStream, Tunnel
from nebula.engine.api.verbs.system import System
from nebula.engine.api.verbs.templates import Templates
from nebula.engine.api.verbs.vmgroups import VmGroups
from nebula.engine.api.verbs.vms import Vms


class Engine(Protocol):
    """All nouns."""

    @property
    def hosts(self) -> Hosts: ...
    @property
    def clusters(self) -> Clusters: ...
    @property
    def datastores(self) -> Datastores: ...
    @property
    def images(self) -> Images: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def securitygroups(self) -> SecurityGroups: ...
    @property
    def templates(self) -> Templates: ...
    @property
    def vms(self) -> Vms: ...
    @property
    def backups(self) -> Backups: ...
    @property
    def schedules(self) -> Schedules: ...
    @property
    def vmgroups(self) -> VmGroups: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def drs(self) -> Drs: ...
    @property
    def onegate(self) -> OneGate: ...
    @property
    def declarations(self) -> Declarations: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def events(self) -> Events: ...
    @property
    def system(self) -> System: ...
    def close(self) -> None: ...


class Served(Engine, Protocol):
    """An engine that many people reach."""

    def seen_by(self, actor: str) -> Engine:
        """The engine as the user of that name may see and change it."""
        ...


__all__ = [
    "Backups",
    "Belongings",
    "ByteStream",
    "Clusters",
    "Datastores",
    "Declarations",
    "Drs",
    "Engine",
    "Events",
    "Hosts",
    "Images",
    "Jobs",
    "Metrics",
    "Networks",
    "OneGate",
    "Schedules",
    "SecurityGroups",
    "Served",
    "System",
    "Templates",
    "Tunnel",
    "VmGroups",
    "Vms",
]
