"""What passes between real guests, and what does not: before, during and after a change of rules and a live migration."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import assert_left_nothing, other
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
FORGED = 99
"""The last part of an address that nobody has."""


@dataclass(frozen=True)
class Peers:
    """A guest that is asked, by address, and one that asks; both have groups, and let the front end in to port 80."""

    asked: str
    asker: str

    def reach(self, what: str) -> bool:
        """Whether the one gets an answer from the other: "tcp,PORT", "icmp", or "forged,ADDRESS"."""
        kind, _, rest = what.partition(",")
        query = {"tcp": f"tcp,{self.asked},{rest}", "icmp": f"icmp,{self.asked}", "forged": f"forged,{rest},{self.asked}"}[kind]
        said = fetch(self.asker, f"/cgi-bin/reach?{query}", seconds=20.0)
        assert said is not None, "the asker itself does not answer"
        return said.strip() == "yes"

    def assert_passes(self, open_ones: Sequence[str], shut: Sequence[str]) -> None:
        """A busy guest may be late with an answer; one that is shut out never gets any."""
        for what in open_ones:
            eventually(lambda what=what: self.reach(what), what)  # type: ignore[misc]
        assert [what for what in shut if self.reach(what)] == []


@contextmanager
def answers_all_the_time(address: str) -> Iterator[None]:
    """The front end asks again and again: never is it shut out."""
    missed: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.1):
            if fetch(address, seconds=10.0) is None:
                missed.append("no answer")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        done.set()
        asking.join()
    assert not missed


def test_groups_hold_between_guests_through_changes_and_a_migration(cluster: Program, lab: LabHandle) -> None:
    front = lab.status()["guest_gateway"]
    for group in ("web", "peers"):
        cluster.out("securitygroup", "create", group, "--inbound", f"tcp:80@{front}")
    for name, group, host in (("asked", "web", "h1"), ("asker", "peers", "h2")):
        card = f"lan:security_groups={group}"
        cluster.out("vm", "create", name, "--image", "common", "--memory", "128M", "--network", card, "--host", host)
    vm = cluster.vm("asked")
    peers = Peers(str(vm["addresses"][0]), str(cluster.vm("asker")["addresses"][0]))
    for address in (peers.asked, peers.asker):
        eventually(lambda address=address: "counter" in guest_facts(address), "a guest's page", seconds=150)  # type: ignore[misc]
    boot = guest_facts(peers.asked)["boot-id"]
    peers.assert_passes((), ("tcp,80", "tcp,8080", "icmp"))

    with answers_all_the_time(peers.asked):
        cluster.out("securitygroup", "update", "web", "--inbound", "tcp:8080@group=peers", "--inbound", "icmp:8")
    forged = f"{front.rpartition('.')[0]}.{FORGED}"
    let, shut = ("tcp,8080", "icmp"), ("tcp,80", f"forged,{forged}")
    peers.assert_passes(let, shut)
    assert fetch(f"{peers.asked}:8080") is None, "the front end has no such group"

    target = other(str(vm["host"]))
    cluster.out("vm", "migrate", "asked", "--host", target, "--live")
    assert guest_facts(peers.asked)["boot-id"] == boot
    peers.assert_passes(let, shut)

    cluster.out("vm", "nic-update", "asker", "0", "--set", "SECURITY_GROUPS=web")
    eventually(lambda: not peers.reach("tcp,8080"), "the asker to be no peer any more", seconds=30)
    peers.assert_passes(["icmp"], ["tcp,8080"])
    cluster.out("securitygroup", "update", "web", "--without", "3")
    peers.assert_passes((), ["icmp"])

    for name in ("asked", "asker"):
        cluster.out("vm", "terminate", name, "--hard")
    for host in ("h1", "h2"):
        rules = lab.exec(host, "sh", "-c", "nft list ruleset; iptables-save; ip6tables-save; ipset list -n")
        assert f"one-{vm['id']}" not in rules
    assert_left_nothing(lab, vm["id"])
    for group in ("web", "peers"):
        cluster.out("securitygroup", "remove", group)
