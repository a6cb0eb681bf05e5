"""What every driver of repositories promises, as tests: subclass `RepositoryContract` and give it the fixture `lab`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Repository
from nebula.errors import ConflictError, DamagedError, InterruptedByUser, NotFoundError
from nebula.model.backup import BackupFile, Keep, Stored, StoreRequest

UUID = "00000000-0000-4000-8000-000000000007"
DAY = 86_400
MONDAY = 1_767_571_200 + 12 * 3600
"""5 January 2026, 12:00 UTC."""


@dataclass(frozen=True)
class RepositoryLab:
    """A repository that two hosts reach. `put(host, directory, name, number)` makes a file there whose content depends on the
    number, `seen` tells files in a directory apart by their content; `damage` changes what is stored.
    """

    repository: Repository
    host: HostHandle
    other: HostHandle
    directory: str
    put: Callable[[HostHandle, str, str, int], None]
    seen: Callable[[HostHandle, str, str], str]
    damage: Callable[[], None]


def store(
    lab: RepositoryLab, number: int, base: Stored | None = None, at: int = MONDAY, host: HostHandle | None = None
) -> Stored:
    """The number-th backup, which builds on another one, or on none."""
    used, below = host or lab.host, base.files[-1].name if base else ""
    new = BackupFile(name=f"disk.0.{len(base.files) if base else 0}", below=below)
    lab.put(used, lab.directory, new.name, number)
    request = StoreRequest(
        directory=lab.directory, uuid=UUID, tag=f"job-{number}", at=at, description="{}", new=(new,),
        old=base.files if base else (), parent=base.snapshot if base else "",
    )  # fmt: skip
    return lab.repository.store(used, request, job=f"{number}", progress=None, cancel=None)


def fetch(lab: RepositoryLab, stored: Stored, host: HostHandle) -> list[str]:
    """What its files are."""
    where = f"{lab.directory}-fetched"
    lab.repository.fetch(host, stored.snapshot, where, stored.files, job="fetch", progress=None, cancel=None)
    return [lab.seen(host, where, file.name) for file in stored.files]


class RepositoryContract:
    """The suite. Everything is done twice where a crash might make an engine do it twice."""

    @pytest.fixture(autouse=True)
    def prepared(self, lab: RepositoryLab) -> None:
        for host in (lab.host, lab.other):
            lab.repository.prepare(host, job="1", cancel=None)

    def test_what_is_stored_is_fetched_by_any_host(self, lab: RepositoryLab) -> None:
        assert lab.repository.find(lab.host, "job-1", job="1", cancel=None) == ""
        first = store(lab, 1)
        assert store(lab, 1).snapshot == first.snapshot
        assert lab.repository.find(lab.other, "job-1", job="1", cancel=None) == first.snapshot
        second = store(lab, 2, first, host=lab.other)
        assert [file.name for file in second.files] == ["disk.0.0", "disk.0.1"]
        assert second.added < first.added
        one, both = fetch(lab, first, lab.other), fetch(lab, second, lab.host)
        assert (both[0], len(set(both))) == (one[0], 2)

    def test_each_can_be_forgotten_alone(self, lab: RepositoryLab) -> None:
        first = store(lab, 1)
        second = store(lab, 2, first)
        both = fetch(lab, second, lab.host)
        for _ in range(2):
            lab.repository.forget(lab.host, [first.snapshot], job="3", cancel=None)
            lab.repository.prune(lab.host, job="3", cancel=None)
        assert fetch(lab, second, lab.host) == both
        with pytest.raises(NotFoundError):
            fetch(lab, first, lab.host)
        with pytest.raises(ConflictError):
            store(lab, 4, first)
        assert lab.repository.find(lab.host, "job-4", job="5", cancel=None) == ""

    def test_a_damaged_one_is_found(self, lab: RepositoryLab) -> None:
        stored = store(lab, 1)
        lab.damage()
        with pytest.raises(DamagedError):
            fetch(lab, stored, lab.host)

    def test_what_is_kept(self, lab: RepositoryLab) -> None:
        hours = (0, 6, 24, 30, 48, 9 * 24, 40 * 24)
        made = [store(lab, number, at=MONDAY + hour * 3600).snapshot for number, hour in enumerate(hours, 1)]

        def due(**keep: int) -> list[int]:
            found = lab.repository.due(lab.other, UUID, Keep(**keep), job="9", cancel=None)
            return sorted(made.index(one) for one in found)

        assert due() == []
        assert due(last=2) == [0, 1, 2, 3, 4]
        assert due(daily=4) == [0, 1, 2]
        assert due(last=1, weekly=3) == [0, 1, 2, 3]
        assert due(monthly=2) == [0, 1, 2, 3, 4]
        assert lab.repository.due(lab.host, UUID.replace("7", "8"), Keep(last=1), job="9", cancel=None) == []

    def test_a_cancelled_one_is_not_kept(self, lab: RepositoryLab) -> None:
        token = CancelToken()
        token.set("cancelled by a test")
        lab.put(lab.host, lab.directory, "disk.0.0", 1)
        request = StoreRequest(
            directory=lab.directory, uuid=UUID, tag="job-1", at=MONDAY, description="{}", new=(BackupFile(name="disk.0.0"),)
        )
        with pytest.raises(InterruptedByUser):
            lab.repository.store(lab.host, request, job="1", progress=None, cancel=token)
        lab.repository.abandon(lab.host, "1")
        assert lab.repository.find(lab.host, "job-1", job="2", cancel=None) == ""

    def test_hosts_can_use_it(self, lab: RepositoryLab) -> None:
        assert lab.repository.capabilities.increments
        for host in (lab.host, lab.other):
            assert [found.level for found in lab.repository.check(host, job="check")] == ["ok"]
