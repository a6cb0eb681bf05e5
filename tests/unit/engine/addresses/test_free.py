"""The next free address."""

from __future__ import annotations

from collections.abc import Set

from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.addresses import MAX_SIZE, first_free, from_attributes, reserved_positions

positions = st.sets(st.integers(0, 45), max_size=40)


@given(positions, positions, st.integers(0, 45), st.integers(1, 40))
def test_it_is_the_lowest_that_nobody_has(used: Set[int], reserved: Set[int], start: int, size: int) -> None:
    ar = from_attributes({"IP": "10.0.0.10", "SIZE": size}, 0)
    expected = next((n for n in range(start, size) if n not in used | reserved), None)
    assert first_free(ar, sorted(used), reserved, start) == expected


def test_a_huge_range_with_few_leases() -> None:
    ar = from_attributes({"IP": "10.0.0.0", "SIZE": MAX_SIZE}, 0)
    assert first_free(ar, [0, 1, 2, 4, MAX_SIZE - 1]) == 3
    assert first_free(ar, range(MAX_SIZE - 1)) == MAX_SIZE - 1
    assert first_free(ar, range(MAX_SIZE)) is None


def test_gateway_network_and_broadcast_are_reserved() -> None:
    ar = from_attributes({"IP": "10.0.0.0", "SIZE": 256}, 0)
    assert reserved_positions(ar, gateway="10.0.0.1") == {0, 1, 255}
    assert reserved_positions(ar, gateway="10.0.0.1", others=["10.0.0.53", "9.9.9.9"]) == {0, 1, 53, 255}
    assert first_free(ar, [], reserved_positions(ar, gateway="10.0.0.1")) == 2


def test_a_range_in_the_middle_reserves_nothing() -> None:
    assert reserved_positions(from_attributes({"IP": "10.0.0.10+20"}, 0), gateway="10.0.0.1") == set()


def test_the_router_anycast_address_is_reserved() -> None:
    ar = from_attributes({"IP6": "fd00::", "SIZE": 10}, 0)
    assert reserved_positions(ar, gateway6="fd00::1") == {0, 1}


def test_point_to_point_networks_use_both_addresses() -> None:
    assert reserved_positions(from_attributes({"IP": "10.0.0.0/31"}, 0), prefix_length=31) == set()
