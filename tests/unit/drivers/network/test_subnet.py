"""The choice of a free subnet."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.network.ip import Address, Route
from nebula.drivers.network.subnet import Taken, choose_subnet, known_subnets
from nebula.errors import CapacityError

PRIVATE = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]
networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.one_of(st.integers(0, (1 << 32) - 1), st.integers(0x0A400000, 0x0A400FFF)),
    st.integers(8, 32),
)


@given(st.lists(networks, max_size=30))
def test_the_choice_is_private_free_and_always_the_same(taken: list[IPv4Network]) -> None:
    try:
        chosen = choose_subnet(taken)
    except CapacityError:
        assert all(any(net.overlaps(space) for net in taken) for space in PRIVATE)
        return
    assert chosen.prefixlen == 24
    assert any(chosen.subnet_of(space) for space in PRIVATE)
    assert not any(chosen.overlaps(net) for net in taken)
    assert choose_subnet(taken[::-1]) == chosen


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ([], "10.64.0.0/24"),
        (["10.64.0.0/24", "10.64.1.128/32"], "10.64.2.0/24"),
        (["10.64.0.0/10", "10.128.0.0/9"], "10.0.0.0/24"),
        (["10.0.0.0/8"], "172.16.0.0/24"),
        (["0.0.0.0/1", "172.0.0.0/8"], "192.168.0.0/24"),
    ],
)
def test_the_order(taken: list[str], chosen: str) -> None:
    assert choose_subnet([IPv4Network(text) for text in taken]) == IPv4Network(chosen)


def test_no_room_says_so() -> None:
    with pytest.raises(CapacityError) as caught:
        choose_subnet(PRIVATE)
    assert caught.value.hint


def test_what_a_host_knows() -> None:
    addressed = {"eth0": [Address("inet", "10.0.0.5", 24, "global"), Address("inet6", "fe80::1", 64, "link")], "onebr9": []}
    routed = [
        Route("default", "eth0"),
        Route("0.0.0.0/1", "tun0"),
        Route("10.9.0.0/16", "tun0"),
        Route("10.77.5.0/24", "onebr9"),
    ]
    assert known_subnets(addressed, routed, "onebr9") == [
        Taken(IPv4Network("10.0.0.0/24"), "eth0"),
        Taken(IPv4Network("10.9.0.0/16"), "tun0"),
    ]
