"""Keys between hosts, so that migrations and copies go from host to host without passing the engine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from nebula.errors import NotFoundError, UsageError
from nebula.transport.authorized import remove_tagged, replace_tagged
from nebula.transport.base import Transport
from nebula.transport.hostkeys import host_key, host_keys
from nebula.transport.scripts import sh

KEY_FILE = "ssh/id_ed25519"
KNOWN_HOSTS_FILE = "ssh/known_hosts"
"""Both under the host's root directory, for root's eyes only."""

LIBVIRT_SOCKETS = ("/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock")
"""Where a host's libvirt may answer: its daemon for QEMU alone, or the one for all."""
_OPEN_TO_PEERS = ("127.0.0.1:*", *(f"[{path}]:*" for path in LIBVIRT_SOCKETS))
"""Where peers' connections may lead; the brackets make a path pass for a host's name."""

_OPTIONS = (
    "BatchMode=yes",
    "Ciphers=^aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    "ConnectTimeout=10",
    "GlobalKnownHostsFile=/dev/null",
    "IdentitiesOnly=yes",
    "ServerAliveInterval=15",
    "StrictHostKeyChecking=yes",
)
"""A peer that is silent for 45 s is given up. Processors of servers do AES in hardware: half the work of ssh's own first
choice, where much is carried.
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_%-]{0,252}")

_DIRECTORY = 'mkdir -p -m 0755 -- "$1" && mkdir -p -m 0700 -- "$1/ssh"'
_MAKE = r"""
umask 077
exec 9<"$1/ssh" && flock -w 20 9 || exit 1
key=$1/ssh/id_ed25519
if [ ! -s "$key" ]; then
    rm -f -- "$key.new" "$key.new.pub"
    ssh-keygen -q -t ed25519 -N "" -C "nebula-host:$2" -f "$key.new" </dev/null >&2 || exit 1
    mv -fT -- "$key.new.pub" "$key.pub" && sync -- "$key.new" && mv -fT -- "$key.new" "$key" || exit 1
fi
ssh-keygen -y -f "$key"
"""


def ensure_peer_key(transport: Transport, root_dir: str) -> str:
    """The public line of the host's own key, which is made on the host, if it has none, and never leaves it."""
    _name(transport.name)
    transport.run(sh(_DIRECTORY, root_dir), root=True)
    line = transport.run(sh(_MAKE, root_dir, transport.name), root=True).text.strip()
    return host_key(line).line


def forget_peer_key(transport: Transport, root_dir: str) -> None:
    """Delete the host's own key and what it knows of its peers."""
    transport.run(["rm", "-rf", "--", f"{root_dir}/ssh"], root=True)


def authorize_peer(transport: Transport, peer_name: str, public_line: str, from_addresses: Sequence[str], user: str) -> None:
    """Let a peer's key in as `user`, from the peer's addresses only, within `peer_limits`. Again: its entry is renewed."""
    addresses = [text for address in from_addresses for text in _numbers(transport, address)]
    if not addresses:
        raise UsageError(f"host {peer_name} has no address", hint=f"nebula host update {peer_name} --address ADDRESS")
    tag = f"nebula-peer:{_name(peer_name)}"
    line = f"{peer_limits(addresses)} {host_key(public_line).line} {tag}"
    replace_tagged(transport, user, tag, line)


def peer_limits(addresses: Sequence[str]) -> str:
    """What sshd lets a peer's key do: come from these addresses, run commands, reach loopback and libvirt."""
    opens = "".join(f',permitopen="{place}"' for place in _OPEN_TO_PEERS)
    return f'restrict,port-forwarding{opens},from="{",".join(dict.fromkeys(addresses))}"'


def revoke_peer(transport: Transport, peer_name: str) -> None:
    """Let the peer in no more, whatever user it came as. Not let in: nothing."""
    remove_tagged(transport, f"nebula-peer:{_name(peer_name)}")


def peer_ssh(root_dir: str, port: int, *options: str) -> list[str]:
    """The `ssh` with which a host reaches a peer at that port: by its own key, only to the peers that it knows."""
    return ssh_by(f"{root_dir}/{KEY_FILE}", f"{root_dir}/{KNOWN_HOSTS_FILE}", port, *options)


def ssh_by(key_file: str, known_hosts_file: str, port: int, *options: str) -> list[str]:
    """The `ssh` that uses this key and no other, asks nobody, and goes only to whom that file knows."""
    every = [*_OPTIONS, f"UserKnownHostsFile={known_hosts_file}", *options]
    words = ["ssh", "-F", "none", "-i", key_file, "-p", f"{port:d}"]
    return [*words, *(word for option in every for word in ("-o", option))]


def write_known_hosts(transport: Transport, root_dir: str, known: Mapping[str, str]) -> None:
    """Pin the keys of a host's peers: address (whatever the port) -> lines "TYPE BASE64"."""
    text = "".join(known_lines(address, keys) for address, keys in sorted(known.items()))
    transport.run(sh(_DIRECTORY, root_dir), root=True)
    transport.write_file(f"{root_dir}/{KNOWN_HOSTS_FILE}", text.encode(), mode=0o600, root=True)


def known_lines(address: str, keys: str) -> str:
    """Lines of a known_hosts file: the machine at the address, whatever the port, has these keys ("TYPE BASE64" a line)."""
    return "".join(f"{_address(address)},[{address}]:* {key.line}\n" for key in host_keys(keys))


def _numbers(transport: Transport, address: str) -> list[str]:
    """The address in numbers, which is what sshd compares; names are looked up where the comparing is done."""
    if _is_number(_address(address)):
        return [address]
    found = transport.run(["getent", "ahosts", address], check=False).text.splitlines()
    if not found:
        raise NotFoundError(f"host {transport.name} cannot resolve {address}", hint="give the host by its IP address")
    return sorted({line.split()[0] for line in found})


def _is_number(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a peer", cause="it becomes a word in authorized_keys")
    return name


def _address(address: str) -> str:
    if not _ADDRESS.fullmatch(address) and not _is_number(address):
        raise UsageError(f"{address!r} is no address")
    return address
