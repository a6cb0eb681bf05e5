"""A domain that somebody else made, as its host has it defined: what is needed to take it under management."""

from __future__ import annotations

import msgspec

from nebula.model.domain import DomainState


class FoundDisk(msgspec.Struct, frozen=True, kw_only=True):
    """A disk where it lies. `path`: a file or a device on the host, or what names it elsewhere; "": an empty drive."""

    target: str
    path: str = ""
    type: str = "file"
    """Libvirt's word: file, block, network, volume …"""
    device: str = "disk"
    bus: str = ""
    format: str = "raw"
    readonly: bool = False

    @property
    def is_own_file(self) -> bool:
        """Whether it is a file to which the guest writes."""
        return self.type == "file" and self.device == "disk" and bool(self.path) and not self.readonly


class FoundCard(msgspec.Struct, frozen=True, kw_only=True):
    """A network card. `source`: the bridge, libvirt network or device that it is on."""

    mac: str
    source: str = ""
    type: str = "bridge"
    model: str = ""


class FoundDomain(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in MiB. `saved`: it is off, and the host keeps its memory."""

    uuid: str
    name: str
    state: DomainState
    reason: str = ""
    """As in DomainReality."""
    memory_mib: int
    vcpus: int
    persistent: bool = True
    incoming: bool = False
    saved: bool = False
    title: str = ""
    description: str = ""
    disks: tuple[FoundDisk, ...] = ()
    cards: tuple[FoundCard, ...] = ()
    graphics: str = ""
    """vnc, spice or nothing."""
