"""What a migration came to: both hosts are asked, and what it left half done is put right."""

from __future__ import annotations

from nebula.drivers.base import MigrationRequest
from nebula.drivers.hypervisor.libvirt import domains
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Link, Session
from nebula.drivers.hypervisor.libvirt.reality import may_be_incoming
from nebula.errors import ConflictError, NebulaError, NotFoundError, UnreachableError
from nebula.model.domain import DomainReality, DomainState

_OFF = {DomainState.SHUTOFF, DomainState.CRASHED}


def lives(found: DomainReality | None) -> bool:
    """Whether this is a guest of its own right: active, and not the unfinished end of a migration."""
    return found is not None and found.state not in _OFF and not found.incoming


def moved(here: DomainReality | None, there: DomainReality | None) -> bool:
    """Whether the domain is the target's now, whatever its guest did since: a migration that ends well takes the
    definition away at the source, so one that only the target has is there to stay, even if its guest crashed or
    powered off the moment it arrived.
    """
    if there is None or there.incoming:
        return False
    return here is None or (not _runs(here) and (lives(there) or here.reason == "migrated"))


class Outcome:
    """Of one request: `here` is asked at the source, `there` at the target."""

    def __init__(self, source: str, request: MigrationRequest, here: Lanes, there: Link) -> None:
        self._source, self._request = source, request
        self._here, self._there = here, there

    def arrived(self) -> bool:
        """Whether the guest is at the target already; then the source has forgotten it. NotFoundError: it is nowhere.
        ConflictError: it is off here.
        """
        here = self._look(self._here)
        if lives(here):
            return False
        if moved(here, self._look(self._there)):
            self._forget(self._here, self._source)
            return True
        if here is None:
            raise NotFoundError(f"host {self._source} has no domain {self._request.uuid}", hint="nebula vm list")
        raise ConflictError(f"domain {here.name} does not run on host {self._source}", cause=f"{here.state} ({here.reason})")

    def clear_way(self) -> None:
        """Nothing of an earlier attempt, and no stale definition, is at the target; ConflictError if the guest lives there."""
        there = self._look(self._there)
        if lives(there):
            raise ConflictError(
                f"domain {self._request.uuid} runs on host {self._request.target.name} as well",
                cause="two hosts say that they run it",
                hint=f"nebula host show {self._request.target.name}",
            )
        if there is not None:
            self._remove(self._there)
            self._forget(self._there, self._request.target.name)

    def settle(self, failure: Exception | None, interruption: NebulaError | None) -> None:
        """Return if the guest has moved; otherwise see that it runs here and only here, and raise why."""
        here = self._look(self._here)
        there = self._look_there(failure)
        if moved(here, there):
            if here is not None:
                self._remove(self._here)
                self._forget(self._here, self._source)
            return
        if there is not None:
            self.clear_way()
        self._let_go_on(here)
        raise interruption or failure or self._unexplained(here)

    def _unexplained(self, here: DomainReality | None) -> NebulaError:
        stays = "the guest goes on at the source" if lives(here) else "neither host runs it now"
        return NebulaError(
            f"the migration from host {self._source} to host {self._request.target.name} came to nothing",
            cause=f"it ended while nobody watched; {stays}",
            hint=f"virsh domjobinfo {self._request.uuid} --completed   (on {self._source})",
        )

    def _look(self, link: Link | Lanes) -> DomainReality | None:
        return link.call("looking for a migrating domain", lambda session: domains.lookup(session, self._request.uuid))

    def _look_there(self, failure: Exception | None) -> DomainReality | None:
        try:
            return self._look(self._there)
        except UnreachableError as error:
            raise UnreachableError(
                f"the migration to host {self._request.target.name} failed, and that host cannot be asked what is left there",
                cause=str(failure or error),
                hint=f"nebula host check {self._request.target.name}",
            ) from error

    def _remove(self, link: Link | Lanes) -> None:
        link.call("ending what a migration left", lambda session: domains.destroy(session, self._request.uuid))

    def _forget(self, link: Link | Lanes, host: str) -> None:
        link.call("forgetting what a migration left", lambda session: domains.undefine(session, self._request.uuid, host))

    def _let_go_on(self, here: DomainReality | None) -> None:
        if here is not None and may_be_incoming(here.state, here.reason):
            self._here.call("letting a guest go on after a migration", self._resume)

    def _resume(self, session: Session) -> None:
        domain = domains.find(session, self._request.uuid)
        if domain is not None and domain.isActive():
            domain.resume()


def _runs(found: DomainReality | None) -> bool:
    """Whether its processors run; a source that a migration has stopped does not count."""
    return found is not None and found.state not in _OFF and not may_be_incoming(found.state, found.reason)
