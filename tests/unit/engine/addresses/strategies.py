"""Sound address ranges of every type."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from nebula.engine.addresses import MAX_SIZE, AddressRange, RangeType, check_range
from nebula.engine.addresses.mac import format_mac

sizes = st.one_of(st.integers(1, 300), st.integers(1, MAX_SIZE))


@st.composite
def address_ranges(draw: st.DrawFn) -> AddressRange:
    kind, size = draw(st.sampled_from(RangeType)), draw(sizes)
    mac = 0x02 << 40 | draw(st.integers(0, (1 << 40) - size))
    ip = draw(st.integers(int(IPv4Address("10.0.0.0")), int(IPv4Address("11.0.0.0")))) if kind.has_ip4 else None
    ip6 = draw(st.integers(0, (1 << 64) - size)) | 0xFD12 << 112 if kind.has_static_ip6 else None
    return check_range(
        AddressRange(
            type=kind,
            size=size,
            mac=format_mac(mac),
            ip=str(IPv4Address(ip)) if ip is not None else "",
            ip6=str(IPv6Address(ip6)) if ip6 is not None else "",
            global_prefix="2001:db8:1:2::" if kind.is_slaac else "",
            ula_prefix=draw(st.sampled_from(["", "fd00:1:2:3::"])) if kind.is_slaac else "",
        )
    )
