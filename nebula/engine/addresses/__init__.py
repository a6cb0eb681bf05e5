"""Address ranges of a virtual network: pure arithmetic over positions, never a list of addresses."""

from __future__ import annotations

from nebula.engine.addresses.attributes import from_attributes, to_attributes
from nebula.engine.addresses.check import check_range, check_subnet
from nebula.engine.addresses.free import first_free, reserved_positions
from nebula.engine.addresses.overlap import overlaps
from nebula.engine.addresses.parse import Span, parse_span
from nebula.engine.addresses.position import address_at, index_of
from nebula.engine.addresses.types import MAX_SIZE, AddressRange, Lease, RangeType

__all__ = [
    "MAX_SIZE",
    "AddressRange",
    "Lease",
    "RangeType",
    "Span",
    "address_at",
    "check_range",
    "check_subnet",
    "first_free",
    "from_attributes",
    "index_of",
    "overlaps",
    "parse_span",
    "reserved_positions",
    "to_attributes",
]
