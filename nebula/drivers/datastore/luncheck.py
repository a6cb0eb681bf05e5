"""Whether a host can use LUNs: tools, QEMU's initiator and the portal; or its devices and the ways to them. Changes nothing."""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.model.host import Finding
from nebula.transport.scripts import sh

_TOOLS = {"qemu-img": "qemu-utils", "virsh": "libvirt-clients", "blockdev": "util-linux"}
_ISCSI = r"""
host=$1 port=$2
PATH=$PATH:/usr/sbin:/sbin
for tool in qemu-img virsh; do command -v "$tool" >/dev/null || echo "tool $tool"; done
qemu-img --help 2>/dev/null | grep -q '^Supported formats:.* iscsi' || echo "tool block-iscsi"
timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null || echo silent
"""
_DEVICES = r"""
PATH=$PATH:/usr/sbin:/sbin
for tool in qemu-img virsh blockdev; do command -v "$tool" >/dev/null || echo "tool $tool"; done
for disk in /sys/block/sd*; do
    [ -e "$disk/device/wwid" ] || continue
    set -- "$disk"/holders/dm-*
    kind=plain
    case $(cat "$1/dm/uuid" 2>/dev/null) in mpath-*) kind=joined ;; esac
    echo "path $kind $(sed 's/  */_/g' "$disk/device/wwid") ${disk##*/} $(cat "$disk/device/state")"
done
"""


def check_iscsi(host: HostHandle, portal: str, port: int) -> list[Finding]:
    """Findings; each error with what mends it."""
    facts = host.transport.run(sh(_ISCSI, portal, str(port)), root=True).text.splitlines()
    findings = _tools(facts)
    if "silent" in facts:
        text = f"the iSCSI portal {portal}:{port} does not answer host {host.name}"
        findings.append(Finding(check="datastore.iscsi", level="error", text=text, fix=f"nc -vz {portal} {port}"))
    text = f"QEMU on host {host.name} has an iSCSI initiator, and {portal}:{port} answers"
    return findings or [Finding(check="datastore", level="ok", text=text)]


def check_devices(host: HostHandle) -> list[Finding]:
    """Findings; each error with what mends it."""
    facts = host.transport.run(sh(_DEVICES), root=True).text.splitlines()
    findings = _tools(facts)
    ways: dict[str, list[list[str]]] = {}
    for words in (line.split() for line in facts if line.startswith("path ")):
        if len(words) == len(("path", "kind", "wwid", "name", "state")):
            ways.setdefault(words[2], []).append(words)
    for wwid, paths in ways.items():
        findings += _paths(host, wwid, paths)
    text = f"host {host.name} can use its block devices as disks"
    return findings or [Finding(check="datastore", level="ok", text=text)]


def _paths(host: HostHandle, wwid: str, paths: list[list[str]]) -> list[Finding]:
    """What is wrong with the ways to one LUN."""
    names = ", ".join(name for *_, name, _ in paths)
    if len(paths) > 1 and any(kind == "plain" for _, kind, *_ in paths):
        text = f"{len(paths)} ways ({names}) lead to LUN {wwid} on host {host.name}, and multipath does not join them"
        fix = "apt-get install -y multipath-tools && multipath"
        return [Finding(check="datastore.multipath", level="warning", text=text, fix=fix)]
    dead = [name for *_, name, state in paths if state != "running"]
    if not dead:
        return []
    text = f"of {len(paths)} ways to LUN {wwid} on host {host.name}, {len(dead)} are dead: {', '.join(dead)}"
    return [Finding(check="datastore.multipath", level="warning", text=text, fix="multipath -ll")]


def _tools(facts: list[str]) -> list[Finding]:
    missing = [line.removeprefix("tool ") for line in facts if line.startswith("tool ")]
    if not missing:
        return []
    packages = sorted({_TOOLS.get(tool, "qemu-block-extra") for tool in missing})
    fix = f"apt-get install -y {' '.join(packages)}"
    return [Finding(check="datastore.tools", level="error", text=f"missing: {', '.join(missing)}", fix=fix)]
