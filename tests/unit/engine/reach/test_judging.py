"""Whose fault it is, by what probes heard."""

from __future__ import annotations

from collections.abc import Mapping

from nebula.drivers.base import Answer
from nebula.engine.reach.judging import Heard, judge
from nebula.model.network import NetworkSpec

OFFICE = NetworkSpec(network_id=8, name="office", driver="bridge", bridge="br0", gateway="10.0.0.1")
HOSTS = ("a", "b", "c", "d")


def heard(
    count: int, whole: Mapping[tuple[str, str], int], *, mtu: Mapping[str, int] = {}, without_gateway: str = ""
) -> list[Heard]:
    """Of `count` hosts, each of which hears all others by 1500 bytes, but those pairs."""
    hosts = HOSTS[:count]
    return [
        Heard(
            host=one,
            address=one,
            mtu=mtu.get(one, 1500),
            gateway=one not in without_gateway,
            answers={
                other: Answer(address=other, found=bool(whole.get((one, other), 1500)), whole=whole.get((one, other), 1500))
                for other in hosts
                if other != one
            },
        )
        for one in hosts
    ]


def both(size: int, *pairs: str) -> dict[tuple[str, str], int]:
    """The same in both directions."""
    return {key: size for pair in pairs for key in ((pair[0], pair[1]), (pair[1], pair[0]))}


def verdicts(seen: list[Heard], network: NetworkSpec = OFFICE) -> list[tuple[str, str, str]]:
    return [(one.where, one.check, one.level) for one in judge(network, seen)]


def test_all_is_well() -> None:
    assert verdicts(heard(3, {})) == [(host, "reach", "ok") for host in "abc"]
    assert verdicts(heard(1, {})) == []


def test_the_host_that_nobody_reaches_is_at_fault() -> None:
    assert verdicts(heard(4, both(0, "ab", "cb", "db"))) == [
        ("a", "reach", "ok"), ("b", "reach", "error"), ("c", "reach", "ok"), ("d", "reach", "ok"),
    ]  # fmt: skip


def test_of_two_that_only_miss_each_other_both_are_named() -> None:
    found = verdicts(heard(3, both(0, "ab")))
    assert found == [("a", "reach", "error"), ("b", "reach", "error"), ("c", "reach", "ok")]


def test_of_two_hosts_the_one_without_a_gateway_is_at_fault() -> None:
    assert verdicts(heard(2, both(0, "ab"), without_gateway="b")) == [("b", "reach", "error")]
    assert verdicts(heard(2, both(0, "ab"))) == [("a", "reach", "error"), ("b", "reach", "error")]


def test_one_way_is_enough_to_know_that_packets_pass() -> None:
    assert verdicts(heard(2, {("a", "b"): 0})) == [("a", "reach", "ok"), ("b", "reach", "ok")]


def test_the_host_whose_packets_are_cut_is_at_fault() -> None:
    found = judge(OFFICE, heard(3, both(1404, "ab", "cb")))
    assert [(one.where, one.check) for one in found] == [("a", "reach"), ("b", "mtu"), ("c", "reach")]
    assert "1404" in found[1].text
    assert [one for one, _, _ in verdicts(heard(2, {("a", "b"): 1404}))] == ["a", "b"]


def test_hosts_whose_guests_send_less_are_named() -> None:
    found = verdicts(heard(2, both(1400, "ab"), mtu={"b": 1400}))
    assert found == [("a", "mtu", "error"), ("b", "mtu", "warning")]


def test_who_alone_finds_no_gateway_is_warned() -> None:
    assert verdicts(heard(2, {}, without_gateway="b")) == [("a", "reach", "ok"), ("b", "gateway", "warning")]
    assert verdicts(heard(2, {}, without_gateway="ab")) == [("a", "reach", "ok"), ("b", "reach", "ok")]


def test_a_vlan_that_does_not_lead_on_is_named_with_its_uplink() -> None:
    vlan = NetworkSpec(
        network_id=8, name="office", driver="802.1Q", bridge="onebr8", owned=True, physical_device="eth1", vlan_id=100
    )
    (_, error, _) = judge(vlan, heard(3, both(0, "ab", "cb")))
    assert "VLAN 100 is missing at eth1 of it, or at the switch's port there" in error.text
    assert error.fix == "bridge vlan add dev PORT vid 100   # on the switch, for the port of b's eth1"


def test_many_hosts_are_a_number() -> None:
    many = [
        Heard(
            host=f"h{n}",
            address=f"{n}",
            mtu=1500,
            answers={f"{o}": Answer(address=f"{o}", found=True, whole=1500) for o in range(9)},
        )
        for n in range(9)
    ]
    assert "h1, h2, h3, h4 and 4 more" in judge(OFFICE, many)[0].text
