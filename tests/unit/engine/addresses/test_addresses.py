"""Ranges: there and back, overlaps, and the attributes that describe them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.addresses import (
    MAX_SIZE,
    AddressRange,
    RangeType,
    address_at,
    check_range,
    check_subnet,
    from_attributes,
    index_of,
    overlaps,
    to_attributes,
)
from nebula.errors import UsageError
from tests.unit.engine.addresses.strategies import address_ranges

TEN = from_attributes({"ip": "10.0.0.10", "size": 100}, 0)


@given(address_ranges(), st.data())
def test_every_address_leads_back_to_its_position(ar: AddressRange, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, ar.size - 1))
    lease = address_at(ar, position)
    for text in (lease.mac, lease.ip, lease.ip6, lease.ip6_ula):
        assert not text or index_of(ar, text) == position


@given(address_ranges())
def test_a_lease_has_what_its_type_says(ar: AddressRange) -> None:
    lease = address_at(ar, ar.size - 1)
    assert bool(lease.ip) == ar.type.has_ip4
    assert bool(lease.ip6) == (ar.type.has_static_ip6 or ar.type.is_slaac)
    assert bool(lease.ip6_ula) == bool(ar.ula_prefix)


@given(address_ranges())
def test_attributes_describe_the_range_wholly(ar: AddressRange) -> None:
    assert from_attributes(to_attributes(ar), 99) == ar


@given(address_ranges(), address_ranges(), st.data())
def test_overlap_is_mutual_and_means_a_shared_address(one: AddressRange, other: AddressRange, data: st.DataObject) -> None:
    assert overlaps(one, other) == overlaps(other, one)
    lease = address_at(one, data.draw(st.integers(0, one.size - 1)))
    kinds = {"mac": lease.mac, "ip": lease.ip, "ip6": lease.ip6 if one.ip6 and other.ip6 else ""}
    shared = {kind for kind, text in kinds.items() if text and index_of(other, text) is not None}
    assert shared <= set(overlaps(one, other))


@given(address_ranges())
def test_a_range_overlaps_with_itself(ar: AddressRange) -> None:
    assert "mac" in overlaps(ar, ar)


def test_neighbours_do_not_overlap() -> None:
    assert overlaps(TEN, from_attributes({"IP": "10.0.0.110", "SIZE": 10}, 1)) == ()
    assert overlaps(TEN, from_attributes({"IP": "10.0.0.109", "SIZE": 10}, 1)) == ("mac", "ip")


def test_the_default_mac_carries_the_ipv4_address() -> None:
    assert address_at(TEN, 3).mac == "02:00:0a:00:00:0d"


def test_ranges_without_ipv4_get_macs_apart_from_each_other() -> None:
    first, second = (from_attributes({"TYPE": "ETHER", "SIZE": MAX_SIZE}, number) for number in (7, 8))
    assert overlaps(first, second) == ()
    assert first.mac == "02:01:07:00:00:00"


def test_slaac_addresses_are_those_that_a_guest_makes_of_its_mac() -> None:
    attributes = {
        "TYPE": "IP6",
        "MAC": "52:54:00:12:34:56",
        "GLOBAL_PREFIX": "2001:db8::/64",
        "ULA_PREFIX": "fd00:1::",
        "SIZE": 2,
    }
    lease = address_at(from_attributes(attributes, 0), 0)
    assert lease.ip6 == "2001:db8::5054:ff:fe12:3456"
    assert lease.ip6_ula == "fd00:1::5054:ff:fe12:3456"


def test_addresses_outside_have_no_position() -> None:
    assert index_of(TEN, "10.0.0.9") is None
    assert index_of(TEN, "10.0.0.110") is None
    assert index_of(TEN, "2001:db8::1") is None
    assert index_of(TEN, "02:00:0a:00:00:09") is None
    with pytest.raises(UsageError):
        index_of(TEN, "not an address")
    with pytest.raises(UsageError):
        address_at(TEN, 100)


@pytest.mark.parametrize(
    ("attributes", "kind", "size"),
    [
        ({"IP": "10.0.0.10-10.0.0.50"}, RangeType.IP4, 41),
        ({"IP": "10.0.0.0/24"}, RangeType.IP4, 254),
        ({"IP": "10.0.0.10"}, RangeType.IP4, 254),
        ({"IP6": "fd00::10", "PREFIX_LENGTH": "48", "SIZE": 3}, RangeType.IP6_STATIC, 3),
        ({"IP": "10.0.0.1", "IP6": "fd00::10"}, RangeType.IP4_6_STATIC, 254),
        ({"IP": "10.0.0.1", "GLOBAL_PREFIX": "2001:db8::"}, RangeType.IP4_6, 254),
        ({"ULA_PREFIX": "fd00::"}, RangeType.IP6, 254),
        ({"SIZE": 5, "BRIDGE": "br0"}, RangeType.ETHER, 5),
    ],
)
def test_the_type_follows_from_what_is_given(attributes: dict[str, object], kind: RangeType, size: int) -> None:
    ar = from_attributes(attributes, 1)
    assert (ar.type, ar.size) == (kind, size)


@pytest.mark.parametrize(
    "attributes",
    [
        {"IP": "10.0.0.10", "SIZE": 0},
        {"IP": "10.0.0.10", "TYPE": "IP5"},
        {"TYPE": "IP4"},
        {"TYPE": "ETHER", "IP": "10.0.0.1"},
        {"IP": "10.0.0.10", "SIZE": MAX_SIZE + 1},
        {"IP": "10.0.0.10", "SIZE": "many"},
        {"IP": "10.0.0.10", "SIZE": "-3"},
        {"IP": "10.0.0.10-10.0.0.20", "SIZE": 5},
        {"IP": "255.255.255.250", "SIZE": 10},
        {"IP": "223.255.255.250", "SIZE": 10},
        {"IP": "126.255.255.250", "SIZE": MAX_SIZE},
        {"IP": "127.0.0.5", "SIZE": 1},
        {"IP": "126.255.255.250", "SIZE": 10},
        {"IP": "fd00::1"},
        {"IP": "10.0.0.256"},
        {"IP6": "10.0.0.1"},
        {"IP6": "fe80::1%eth0"},
        {"IP6": "fd00::fff0", "PREFIX_LENGTH": 112, "SIZE": 17},
        {"IP6": "fd00::1", "PREFIX_LENGTH": 129},
        {"IP6": "ff02::1", "SIZE": 1},
        {"TYPE": "IP6"},
        {"TYPE": "IP6", "GLOBAL_PREFIX": "2001:db8::1"},
        {"TYPE": "IP6", "ULA_PREFIX": "2001:db8::"},
        {"MAC": "02:00:00"},
        {"MAC": "01:00:5e:00:00:01"},
        {"MAC": "02:ff:ff:ff:ff:fe", "SIZE": 3},
    ],
)
def test_unsound_ranges_are_refused_with_something_to_do(attributes: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        from_attributes(attributes, 1)
    assert caught.value.hint


@given(
    st.dictionaries(
        st.sampled_from(["TYPE", "SIZE", "IP", "IP6", "MAC", "PREFIX_LENGTH", "GLOBAL_PREFIX"]), st.text(max_size=40)
    )
)
def test_whatever_is_typed_gives_a_sound_range_or_a_usage_error(attributes: dict[str, str]) -> None:
    try:
        ar = from_attributes(attributes, 1)
    except UsageError:
        return
    assert check_range(ar) == ar
    assert address_at(ar, ar.size - 1).mac


def test_a_range_must_lie_in_its_gateways_subnet() -> None:
    assert check_subnet(TEN, "10.0.0.1", 24) is TEN
    assert check_subnet(TEN, "", 24) is TEN
    for gateway, prefix in [("10.0.1.1", 24), ("10.0.0.1", 26), ("10.0.0.1", 99), ("router", 24)]:
        with pytest.raises(UsageError):
            check_subnet(TEN, gateway, prefix)


@pytest.mark.parametrize(("kind", "code"), list(zip(RangeType, [1, 3, 5, 7, 9, 11], strict=True)))
def test_types_have_opennebulas_codes(kind: RangeType, code: int) -> None:
    assert kind.code == code


@given(address_ranges(), st.data())
def test_neighbouring_positions_have_neighbouring_addresses(ar: AddressRange, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, max(0, ar.size - 2)))
    one, two = address_at(ar, position), address_at(ar, min(position + 1, ar.size - 1))
    step = 1 if ar.size > 1 else 0
    if ar.ip:
        assert int(IPv4Address(two.ip)) - int(IPv4Address(one.ip)) == step
    if ar.ip6:
        assert int(IPv6Address(two.ip6)) - int(IPv6Address(one.ip6)) == step
