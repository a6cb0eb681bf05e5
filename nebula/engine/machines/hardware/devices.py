"""Devices other than disks and cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.engine.machines.hardware.group import many, one
from nebula.model.domain import DomainGraphics, DomainInput, DomainRandom, DomainTpm, DomainVideo, DomainWatchdog

VNC_PASSWORD = 8
"""Characters; the protocol looks at no more."""
MOST = 16
"""Of inputs and of host devices."""
_RESOLVES = frozenset({"virtio", "vga", "qxl", "bochs"})


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """See DomainSpec."""

    graphics: DomainGraphics | None
    video: DomainVideo | None
    inputs: tuple[DomainInput, ...]
    sounds: tuple[str, ...]
    tpm: DomainTpm | None
    random: DomainRandom
    watchdog: DomainWatchdog | None
    spice_xml: str


def devices(template: Mapping[str, Any]) -> Devices:
    """UsageError for what makes no sense."""
    sound, tpm, random = one(template, "SOUND"), one(template, "TPM"), one(template, "RNG")
    screen = _graphics(template)
    spice = one(template, "").word("SPICE_OPTIONS")
    return Devices(
        graphics=screen,
        video=_video(template),
        inputs=_inputs(template),
        sounds=(sound.word("MODEL", "ich9"),) if template.get("SOUND") else (),
        tpm=DomainTpm(model=tpm.word("MODEL", "tpm-crb")) if template.get("TPM") else None,
        random=DomainRandom(
            source=random.word("SOURCE", "/dev/urandom"),
            bytes=random.number("RATE_BYTES"),
            period=random.number("RATE_PERIOD") if random.given("RATE_BYTES") else 0,
        ),
        watchdog=_watchdog(template),
        spice_xml=spice if screen is not None and screen.type == "spice" else "",
    )


def _graphics(template: Mapping[str, Any]) -> DomainGraphics | None:
    asked = one(template, "GRAPHICS")
    kind, password = asked.word("TYPE", "vnc"), asked.word("PASSWD")
    if kind == "none":
        return None
    if kind == "vnc" and len(password) > VNC_PASSWORD:
        raise asked.refuse("PASSWD", f"VNC looks at {VNC_PASSWORD} characters only", "give a shorter one, or TYPE: SPICE")
    return DomainGraphics(
        type="spice" if kind == "spice" else "vnc",
        listen=asked.word("LISTEN", "127.0.0.1"),
        port=asked.number("PORT", -1),
        password=password,
        keymap=asked.word("KEYMAP"),
    )


def _video(template: Mapping[str, Any]) -> DomainVideo | None:
    if not template.get("VIDEO"):
        return None
    asked = one(template, "VIDEO")
    model = {"auto": "vga"}.get(kind := asked.word("TYPE", "auto"), kind)
    if asked.given("RESOLUTION") and model not in _RESOLVES:
        raise asked.refuse("RESOLUTION", f"a {model} card takes none", "TYPE: virtio")
    for name in ("IOMMU", "ATS"):
        if asked.given(name) and model != "virtio":
            raise asked.refuse(name, "it is for virtio cards", "TYPE: virtio")
    width, _, height = asked.word("RESOLUTION").partition("x")
    return DomainVideo(
        model=model,
        vram_kib=asked.number("VRAM"),
        resolution=(int(width), int(height)) if width else None,
        iommu=asked.choice("IOMMU"),
        ats=asked.choice("ATS"),
    )


def _inputs(template: Mapping[str, Any]) -> tuple[DomainInput, ...]:
    found = []
    for asked in many(template, "INPUT"):
        kind, bus = asked.word("TYPE", "tablet"), asked.word("BUS", "usb")
        if kind == "tablet" and bus == "ps2":
            raise asked.refuse("BUS", "a tablet is on usb or virtio", "BUS: usb")
        found.append(DomainInput(type=kind, bus=bus))
    if len(found) > MOST:
        raise many(template, "INPUT")[0].refuse("TYPE", f"there are {len(found)} inputs, of at most {MOST}", "leave some out")
    return tuple(found)


def _watchdog(template: Mapping[str, Any]) -> DomainWatchdog | None:
    if not template.get("WATCHDOG"):
        return None
    asked = one(template, "WATCHDOG")
    return DomainWatchdog(model=asked.word("MODEL", "i6300esb"), action=asked.word("ACTION", "reset"))
