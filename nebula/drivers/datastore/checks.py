"""Whether a host can use a datastore of files: tools, path, rights, space. One round trip, changes nothing."""

from __future__ import annotations

import re

from nebula.drivers.base import HostHandle
from nebula.model.host import Finding

_LOW_SPACE = 1 << 30
_TOOLS = {
    "qemu-img": "qemu-utils",
    "rsync": "rsync",
    "ssh": "openssh-client",
    "flock": "util-linux",
    "setsid": "util-linux",
    "prlimit": "util-linux",
    "awk": "mawk",
    "mke2fs": "e2fsprogs",
    "mkswap": "util-linux",
}
_LOOK = r"""
base=$1 root=$2
shift 2
PATH=$PATH:/usr/sbin:/sbin
for tool; do command -v "$tool" >/dev/null || echo "tool $tool"; done
there=$base
while [ ! -e "$there" ]; do there=${there%/*}; there=${there:-/}; done
echo "there $there"
echo "kind $(stat -c %F "$there")"
echo "writable $([ -w "$there" ] && echo yes || echo no)"
echo "free $(stat -f -c '%a %S' "$there")"
echo "filesystem $(stat -f -c %T "$there")"
up=$there
while [ "$up" ]; do
    case $(stat -c %a "$up") in *[1357]) ;; *) echo "closed $up" ;; esac
    up=${up%/*}
done
[ -s "$root/ssh/id_ed25519" ] || echo "key missing"
[ -e "$root/ssh/known_hosts" ] || echo "peers missing"
"""


def check_host(host: HostHandle, base: str, *, peers: bool) -> list[Finding]:
    """Findings about the datastore at `base` on the host; `peers`: it copies files from host to host."""
    told = host.transport.run(["sh", "-c", _LOOK, "nebula-check", base, host.root, *_TOOLS], root=True).text
    facts: dict[str, list[str]] = {}
    for line in told.splitlines():
        name, _, value = line.partition(" ")
        facts.setdefault(name, []).append(value)
    findings = [*_tools(facts), *_path(host, base, facts, peers), *_space(base, facts)]
    if peers:
        findings += _peers(host, facts)
    return findings or [Finding(check="datastore", level="ok", text=f"host {host.name} can use {base}")]


def _tools(facts: dict[str, list[str]]) -> list[Finding]:
    missing = facts.get("tool", [])
    packages = " ".join(sorted({_TOOLS[tool] for tool in missing}))
    fix = f"apt-get install -y {packages}"
    return [Finding(check="datastore.tools", level="error", text=f"missing: {', '.join(missing)}", fix=fix)] if missing else []


def _path(host: HostHandle, base: str, facts: dict[str, list[str]], peers: bool) -> list[Finding]:
    there, findings = facts["there"][0], []
    if facts["kind"][0] != "directory":
        findings.append(Finding(check="datastore.path", level="error", text=f"{there} is no directory", fix=f"ls -ld {there}"))
    elif facts["writable"][0] != "yes":
        findings.append(
            Finding(check="datastore.path", level="error", text=f"{there} is read-only", fix=f"mount | grep {there}")
        )
    if there != base and not peers:
        text = f"{base} is not there on host {host.name}: a shared datastore is mounted by the host itself"
        findings.append(Finding(check="datastore.path", level="error", text=text, fix=f"mkdir -p {base}"))
    for closed in facts.get("closed", []):
        text = f"QEMU's user may not pass through {closed}"
        findings.append(Finding(check="datastore.rights", level="error", text=text, fix=f"chmod o+x {closed}"))
    return findings


def _space(base: str, facts: dict[str, list[str]]) -> list[Finding]:
    free, unit = (int(word) for word in re.findall(r"\d+", facts["free"][0]))
    if free * unit >= _LOW_SPACE:
        return []
    text = f"less than 1 GiB is free under {base} ({free * unit >> 20} MiB)"
    return [Finding(check="datastore.space", level="warning", text=text, fix=f"df -h {base}")]


def _peers(host: HostHandle, facts: dict[str, list[str]]) -> list[Finding]:
    if not host.address or not ("key" in facts or "peers" in facts):
        return []
    text = f"host {host.name} has no key of its own or knows no peers under {host.root}/ssh: it cannot fetch from other hosts"
    fix = f"nebula host update {host.name} --address {host.address}"
    return [Finding(check="datastore.peers", level="warning", text=text, fix=fix)]
