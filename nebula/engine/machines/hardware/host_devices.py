"""PCI devices of hosts that a template asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.engine.machines.hardware.devices import MOST
from nebula.engine.machines.hardware.group import many


class PciWish(msgspec.Struct, frozen=True, kw_only=True):
    """A device: which one, or what it must be; hexadecimal digits, small, empty: anything."""

    vendor: str = ""
    device: str = ""
    class_: str = ""
    address: str = ""
    """With its domain: 0000:3b:00.0."""

    def __str__(self) -> str:
        """As people write it."""
        return self.address or f"{self.vendor or '*'}:{self.device or '*'}" + (f":{self.class_}" if self.class_ else "")


def devices_called(template: Mapping[str, Any]) -> list[str]:
    """The name of each device, in their order: PCI0, PCI1 … where it has none of its own."""
    return [str(item.get("NAME") or f"PCI{number}") for number, item in enumerate(template.get("PCI") or ())]


def pci_wishes(template: Mapping[str, Any]) -> tuple[PciWish, ...]:
    """UsageError for one that says nothing."""
    found = []
    for asked in many(template, "PCI"):
        asked.check()
        address = asked.word("SHORT_ADDRESS").lower()
        wish = PciWish(
            vendor=_digits(asked.word("VENDOR")),
            device=_digits(asked.word("DEVICE")),
            class_=_digits(asked.word("CLASS")),
            address=f"0000:{address}" if address.count(":") == 1 else address,
        )
        network = next((name for name in ("NETWORK", "NETWORK_ID") if asked.given(name)), "")
        if network and not asked.given("TYPE"):
            raise asked.refuse(network, "a device of no TYPE has no network", "TYPE: NIC")
        if asked.given("TYPE") and not network:
            raise asked.refuse("TYPE", "it names no network", "NETWORK: lan")
        if wish == PciWish():
            raise asked.refuse("VENDOR", "it says nothing of the device", "VENDOR: 10de, or SHORT_ADDRESS: 3b:00.0")
        found.append(wish)
    if len(found) > MOST:
        raise many(template, "PCI")[0].refuse("VENDOR", f"there are {len(found)} devices, of at most {MOST}", "leave some out")
    addresses = [wish.address for wish in found if wish.address]
    if len(set(addresses)) < len(addresses):
        raise many(template, "PCI")[0].refuse("SHORT_ADDRESS", "a device is asked for twice", "leave one out")
    return tuple(found)


def _digits(word: str) -> str:
    return word.lower().removeprefix("0x")
