"""Rows of the world as typed values, and how they become the model's values."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from nebula import typed
from nebula.drivers.sim.load import work
from nebula.model.domain import DomainReality, DomainSpec, DomainState
from nebula.model.found import FoundCard, FoundDisk, FoundDomain

DOMAIN_COLUMNS = (
    "host, uuid, vm_id, name, state, reason, persistent, incoming, active,"
    " vcpus, memory_mib, profile, seed, activity, since, spec"
)
_decode = typed.decoder(DomainSpec)
encode = msgspec.json.Encoder().encode


def activity_at(activity: float, profile: str, seed: int, since: float | None, now: float) -> float:
    """Seconds of one vCPU's time that a guest has used; `since` is None while it does not run."""
    return activity if since is None else activity + work(profile, seed, since, max(since, now))


class Domain(NamedTuple):
    """A row of `domains`. `activity`: seconds of one vCPU's time up to `since`; `since` is None while it does not run;
    `saved`: it is off, and the host keeps its memory.
    """

    host: str
    uuid: str
    vm_id: int | None
    name: str
    state: str
    reason: str
    persistent: int
    incoming: int
    active: int
    vcpus: int
    memory_mib: int
    profile: str
    seed: int
    activity: float
    since: float | None
    blob: bytes | None
    saved: int = 0

    @property
    def spec(self) -> DomainSpec | None:
        """What it was made from; None for a foreign domain."""
        return None if self.blob is None else _decode(self.blob)

    def activity_at(self, now: float) -> float:
        """Seconds of one vCPU's time since its start."""
        return activity_at(self.activity, self.profile, self.seed, self.since, now)

    def reality(self) -> DomainReality:
        """As a driver tells of it."""
        return DomainReality(
            uuid=self.uuid,
            name=self.name,
            state=DomainState(self.state),
            reason=self.reason,
            persistent=bool(self.persistent),
            vm_id=self.vm_id,
            incoming=bool(self.incoming),
            saved=bool(self.saved),
        )


def found_of(domain: Domain) -> FoundDomain:
    """The domain as somebody finds it who did not make it."""
    spec = domain.spec
    disks, cards = (spec.disks, spec.interfaces) if spec else ((), ())
    return FoundDomain(
        uuid=domain.uuid,
        name=domain.name,
        state=DomainState(domain.state),
        reason=domain.reason,
        memory_mib=domain.memory_mib,
        vcpus=domain.vcpus,
        persistent=bool(domain.persistent),
        incoming=bool(domain.incoming),
        saved=bool(domain.saved),
        disks=tuple(
            FoundDisk(
                target=disk.target, path=disk.path, device=disk.device, bus=disk.bus, format=disk.format, readonly=disk.readonly
            )
            for disk in disks
        ),
        cards=tuple(FoundCard(mac=card.mac, source=card.bridge, model=card.model) for card in cards),
    )


class Migration(NamedTuple):
    """A row of `migrations`. `status`: running, done, failed, aborted."""

    migration_id: int
    uuid: str
    source: str
    target: str
    started: float
    duration: float
    total: int
    status: str
    code: str
    words: str
    copied: bytes

    def done(self, now: float) -> int:
        """Bytes that have arrived."""
        return part_done(self.started, self.duration, self.total, now)


MIGRATION_COLUMNS = "id, uuid, source, target, started, duration, total, status, code, words, copied"


def part_done(started: float, duration: float, total: int, now: float) -> int:
    """How much of `total` is done at a moment."""
    if duration <= 0:
        return total
    return int(total * min(1.0, max(0.0, (now - started) / duration)))
