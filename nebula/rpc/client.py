"""The façade through the socket: the same methods and the same typed values as in-process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from nebula import timeouts
from nebula.engine.api.verbs import (
    Backups,
    ByteStream,
    Clusters,
    Datastores,
    Declarations,
    Drs,
    Engine,
    Events,
    Hosts,
    Images,
    Jobs,
    Metrics,
    Networks,
    OneGate,
    Schedules,
    SecurityGroups,
    System,
    Templates,
    Tunnel,
    VmGroups,
    Vms,
)
from nebula.errors import OwnerError, UnreachableError
from nebula.rpc import plain
from nebula.rpc.link import Heir, Link, Waits
from nebula.rpc.methods import Method, method, nouns
from nebula.rpc.remote import follow, open_console, open_graphics

_WAITS = Waits()


class RemoteEngine:
    """The engine that serves `path`, whoever that is by the time of a call; usable from any thread.

    Verbs raise what the engine raised; UnreachableError when nobody serves, VersionError when who serves speaks
    otherwise, TimedOutError. A lost answer is asked for again (see `nebula.rpc.link`).

    `otherwise` gives an engine to read from once nobody serves any more, None where somebody does.
    """

    hosts: Hosts
    clusters: Clusters
    datastores: Datastores
    images: Images
    networks: Networks
    securitygroups: SecurityGroups
    templates: Templates
    vms: Vms
    backups: Backups
    schedules: Schedules
    vmgroups: VmGroups
    metrics: Metrics
    drs: Drs
    onegate: OneGate
    declarations: Declarations
    jobs: Jobs
    events: Events
    system: System

    def __init__(
        self,
        path: Path,
        *,
        waits: Waits = _WAITS,
        link: Link | None = None,
        otherwise: Callable[[], Engine | None] = lambda: None,
    ) -> None:
        self._link = link or Link(path, waits)
        self._otherwise = otherwise
        self._others: list[Engine] = []
        for noun in nouns():
            setattr(self, noun, _Noun(self, self._link, noun))

    def elsewhere(self) -> Engine | None:
        """Where to read what nobody answered here."""
        found = self._otherwise()
        if found is not None:
            self._others.append(found)
        return found

    def close(self) -> None:
        """Close the connections that are kept; streams close on their own."""
        self._link.close()
        for other in self._others:
            other.close()


class _Noun:
    """A noun of the façade: its verbs come from its Protocol class as they are asked for."""

    def __init__(self, remote: RemoteEngine, link: Link, noun: str) -> None:
        self._remote, self._link, self._noun = remote, link, noun

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        try:
            found = method(self._noun, verb)
        except KeyError:
            raise AttributeError(f"{self._noun} has no verb {verb}") from None
        bound = partial(_invoke, self._remote, self._link, found)
        setattr(self, verb, bound)
        return bound


def _invoke(remote: RemoteEngine, link: Link, verb: Method, *given: Any, **named: Any) -> Any:
    params: msgspec.Struct = verb.params(*given, **named)
    if not verb.streams:
        try:
            return link.invoke(verb, params)
        except (OwnerError, UnreachableError):  # nobody is there, or who is has begun to stop
            other = None if verb.changes else remote.elsewhere()
            if other is None:
                raise
            return getattr(getattr(other, verb.noun), verb.verb)(*given, **named)
    if verb.result is ByteStream:
        return open_console(link, verb, params)
    return open_graphics(link, verb, params) if verb.result is Tunnel else follow(link, verb, params)


def try_connect(
    path: Path,
    timeout: float = timeouts.SOCKET_ANSWER,
    *,
    waits: Waits = _WAITS,
    take_over: Callable[[], Heir] | None = None,
    otherwise: Callable[[], Engine | None] = lambda: None,
) -> RemoteEngine | None:
    """The engine that serves `path`; None when nobody listens there or says hello within `timeout` seconds.

    `take_over`: see Link; `otherwise`: see RemoteEngine. VersionError when who listens speaks another protocol; DeniedError
    and CapacityError when it refuses us.
    """
    try:
        wire = plain.connect(path, timeout)
    except PermissionError as problem:
        raise plain.unreachable(path, problem) from problem
    except OSError:
        return None
    link = Link(path, waits, take_over=take_over)
    link.adopt(wire)
    return RemoteEngine(path, link=link, otherwise=otherwise)
