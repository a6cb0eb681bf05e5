"""A domain by hand: the twin of one that the engine made, with a disk of its own, by the bare tools over one ssh connection."""

from __future__ import annotations

import re
import shlex
import uuid

from .bare_lab import Lab
from .errors import BenchError

_PATTERNS = {
    "name": r"<name>([^<]+)</name>",
    "uuid": r"<uuid>([^<]+)</uuid>",
    "disk": r"<source file='([^']+/disk\.0)'",
    "mac": r"<mac address='([^']+)'",
    "tap": r"<target dev='(one-[^']+)'",
}


class Twin:
    """Made from the engine's VM on a host; `name` is the domain's."""

    def __init__(self, lab: Lab, host: str, domain: str, number: int) -> None:
        self._lab = lab
        model = lab.ssh(host, "virsh", "-q", "dumpxml", "--inactive", domain)
        parts = parts_of(model)
        self.name, self.disk = f"bench-{number}", f"{parts['disk']}-{number}"
        self.base = _base(lab.ssh(host, "qemu-img", "info", "-U", parts["disk"]))
        fresh = {"name": self.name, "uuid": str(uuid.uuid4()), "disk": self.disk, "mac": f"02:62:65:6e:63:{number:02x}"}
        self.xml = twin_of(model, parts, {**fresh, "tap": f"bench{number}"})

    def create(self, host: str) -> float:
        """Disk and domain, in one command; milliseconds."""
        return self._lab.timed(host, "sh", "-c", _create(self.base, self.disk, self.name), stdin=self.xml)

    def remove(self, host: str) -> None:
        """Off, forgotten, its disk deleted."""
        words = f"virsh -q destroy {self.name}; virsh -q undefine {self.name}; rm -f {shlex.quote(self.disk)}"
        self._lab.ssh(host, "sh", "-c", f"({words}) >/dev/null 2>&1 || true")


def _create(base: str, disk: str, name: str) -> str:
    image = f"qemu-img create -q -f qcow2 -F qcow2 -b {shlex.quote(base)} {shlex.quote(disk)}"
    xml = f"/root/{name}.xml"
    return f"cat > {xml} && {image} && virsh -q define {xml} && rm {xml} && virsh -q start {name}"


def _base(info: str) -> str:
    """The image's path, from what `qemu-img info` says of an overlay."""
    found = re.search(r"^backing file: (\S+)(?: \(actual path: (\S+)\))?", info, re.MULTILINE)
    if found is None:
        raise BenchError(f"the engine's disk is no overlay: {info}")
    return found[2] or found[1]


def parts_of(xml: str) -> dict[str, str]:
    """What is a domain's own in its definition; BenchError if something is missing."""
    found = {part: re.search(pattern, xml) for part, pattern in _PATTERNS.items()}
    missing = sorted(part for part, match in found.items() if match is None)
    if missing:
        raise BenchError(f"the engine's domain has no {', '.join(missing)}")
    return {part: match[1] for part, match in found.items() if match is not None}


def twin_of(xml: str, parts: dict[str, str], fresh: dict[str, str]) -> str:
    """The definition with those parts exchanged, wherever they are and only where they are whole."""
    olds = {parts[part]: fresh[part] for part in parts}
    whole = "|".join(re.escape(old) for old in sorted(olds, key=len, reverse=True))
    return re.sub(rf"(?<=[>'])(?:{whole})(?=[<'])", lambda found: olds[found[0]], xml)
