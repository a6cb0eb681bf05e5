"""Probes on all hosts of a network at once, each of which asks the others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import msgspec

from nebula.drivers.base import HostHandle, Network, Probe
from nebula.engine.api.values import Finding
from nebula.engine.reach.judging import Heard, judge
from nebula.errors import NebulaError
from nebula.model.network import NetworkSpec

_MOST = 250
"""Hosts that are probed at once."""
T = TypeVar("T")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A host that can carry the network. `end`: the address of its tunnel's end, `peers`: those of the others; where
    there is no tunnel, "" and none.
    """

    host: HostHandle
    end: str = ""
    peers: tuple[str, ...] = ()


def spans(network: NetworkSpec) -> bool:
    """Whether guests on two hosts are to reach each other through it."""
    return not network.at_gateway and (not network.owned or bool(network.physical_device))


def ask(driver: Network, network: NetworkSpec, places: Sequence[Place]) -> list[Finding]:
    """What probes find out; nothing where there are not two hosts to ask. Nothing of them stays on the hosts."""
    if not spans(network) or len(places) < 2:
        return []
    asking = [_Asking(driver, network, place, address) for place, address in zip(places[:_MOST], _addresses(), strict=False)]
    with ExitStack() as stack, ThreadPoolExecutor(len(asking)) as pool:
        for one in asking:
            stack.callback(one.end)
        list(pool.map(_Asking.begin, asking))
        begun = [one for one in asking if one.probe is not None]
        if len(begun) > 1:
            list(pool.map(lambda one: one.ask(begun), begun))
    heard = [one.heard for one in asking if one.heard is not None]
    return [*(finding for one in asking for finding in one.findings), *judge(network, heard)]


class _Asking:
    """One host's part. What goes wrong there is a finding."""

    def __init__(self, driver: Network, network: NetworkSpec, place: Place, address: str) -> None:
        self.address, self.place = address, place
        self.probe: Probe | None = None
        self.heard: Heard | None = None
        self.findings: list[Finding] = []
        self._driver, self._network = driver, network.at(place.host.host_id)
        self._stack = ExitStack()

    def begin(self) -> None:
        """Make the probe."""
        host, peers = self.place.host, self.place.peers
        making = self._driver.probe(host, self._network, self.address, peers)
        self.probe = self._attempt(lambda: self._stack.enter_context(making))

    def ask(self, all_of_them: Sequence[_Asking]) -> None:
        """Hear what the others say."""
        self.heard = self._attempt(lambda: self._hear([one for one in all_of_them if one is not self]))

    def end(self) -> None:
        """Nothing stays."""
        self._stack.close()

    def _hear(self, others: Sequence[_Asking]) -> Heard | None:
        if self.probe is None:
            return None
        answers = self.probe.ask([one.address for one in others])
        below = self.probe.ask_below([one.place.end for one in others if one.place.end])
        return Heard(
            host=self.place.host.name,
            address=self.address,
            mtu=self.probe.mtu,
            gateway=self.probe.gateway,
            answers={answer.address: answer for answer in answers},
            end=self.place.end,
            uplink=self._network.physical_device,
            below={answer.address: answer for answer in below},
        )

    def _attempt(self, what: Callable[[], T]) -> T | None:
        try:
            return what()
        except NebulaError as error:
            text = f"guests on host {self.place.host.name} were not tried: {error}"
            self.findings.append(Finding(where=self.place.host.name, check="reach", level="note", text=text, fix=error.hint))
            return None


def _addresses() -> list[str]:
    """Link-local addresses, which no network leases; from anywhere, so that two checks at once seldom have the same."""
    first = secrets.randbelow(250) + 1
    return [f"169.254.{first}.{number}" for number in range(1, _MOST + 1)]
