"""The next free position, found among few leases of a range that may have millions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from nebula.engine.addresses.position import index_of
from nebula.engine.addresses.types import AddressRange


def first_free(ar: AddressRange, used: Sequence[int], reserved: Collection[int] = (), start: int = 0) -> int | None:
    """The lowest position from `start` on that is neither in `used` nor in `reserved`; None if the range is full.

    `used` is sorted and names no position twice. Logarithmic in its length, for each reserved position met.
    """
    position = start
    while True:
        position = _gap(used, position)
        if position >= ar.size:
            return None
        if position not in reserved:
            return position
        position += 1


def reserved_positions(
    ar: AddressRange, *, gateway: str = "", prefix_length: int = 24, gateway6: str = "", others: Collection[str] = ()
) -> frozenset[int]:
    """Positions that no guest may have: the gateways, `others` (DNS servers, say), and the subnet's own first and last
    address. Without a gateway the subnet is taken from the range's first address.
    """
    addresses = {text for text in (gateway, gateway6, *others) if text}
    if ar.ip and prefix_length <= 30:
        subnet = IPv4Interface(f"{gateway or ar.ip}/{prefix_length}").network
        addresses |= {str(subnet.network_address), str(subnet.broadcast_address)}
    if ar.ip6 and ar.prefix_length6 <= 126:
        addresses.add(str(IPv6Interface(f"{ar.ip6}/{ar.prefix_length6}").network.network_address))
    found = (index_of(ar, address) for address in addresses)
    return frozenset(position for position in found if position is not None)


def _gap(used: Sequence[int], position: int) -> int:
    """The lowest number from `position` on that is not in `used`: as long as there is no gap, used[i] - i is constant."""
    begin = low = bisect_left(used, position)
    high = len(used)
    while low < high:
        middle = (low + high) // 2
        if used[middle] - position == middle - begin:
            low = middle + 1
        else:
            high = middle
    return position + low - begin
