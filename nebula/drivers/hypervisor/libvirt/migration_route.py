"""How a migration's control and data travel from one host to another.

Control always goes from libvirtd to libvirtd over `qemu+libssh`: libvirt's own ssh client, which takes the host's own key
and its pinned known hosts as arguments (`qemu+ssh` would read root's configuration) and refuses a key that differs.

Data goes, by the request's `tunnel`:

- `tls`: QEMU to QEMU under TLS, disks too (the hosts need certificates under /etc/pki/qemu).
- `plain`: QEMU to QEMU, for a network that the cluster trusts.
- `ssh` without copied disks: libvirt's tunnel through its own ssh connection.
- `ssh` with copied disks: libvirt refuses to copy disks through its tunnel, so the source host's `ssh` forwards two
  loopback ports to the target, where QEMU listens on loopback only. That `ssh` ends by itself when the migration's
  connections end, or after a minute without any, so nothing is left behind when the engine dies.
"""

from __future__ import annotations

import zlib
from typing import Any
from urllib.parse import quote

import msgspec

from nebula.drivers.base import HostHandle, MigrationRequest
from nebula.errors import CommandError, ConflictError, UsageError
from nebula.transport.scripts import sh

FIRST_PORT = 61_000
"""Above what kernels give to outgoing connections, and above libvirt's own range for migrations."""
PORT_PAIRS = 2_000
ATTEMPTS = 4
IDLE_SECONDS = 60
LOOPBACK = "127.0.0.1"
_DETACHED = r"""
log=$(mktemp) || exit 1
trap 'rm -f -- "$log"' EXIT
"$@" </dev/null >/dev/null 2>"$log" && exit 0
status=$?
cat "$log" >&2
exit "$status"
"""
"""A command that goes to the background must not keep its caller's stdout and stderr open."""

FLAGS = (
    "VIR_MIGRATE_LIVE",
    "VIR_MIGRATE_PEER2PEER",
    "VIR_MIGRATE_PERSIST_DEST",
    "VIR_MIGRATE_UNDEFINE_SOURCE",
    "VIR_MIGRATE_ABORT_ON_ERROR",
)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """libvirt's arguments: the target's URI, names of flags, and parameters by the name of their constant."""

    uri: str
    flags: tuple[str, ...]
    parameters: dict[str, Any]

    def flag_bits(self, lib: Any) -> int:
        """The flags as libvirt's number."""
        return sum(int(getattr(lib, name)) for name in self.flags)

    def typed(self, lib: Any) -> dict[str, Any]:
        """The parameters under libvirt's names."""
        return {getattr(lib, name): value for name, value in self.parameters.items()}


def plan(source: HostHandle, request: MigrationRequest) -> Route:
    """The route; opens the ports that it needs. UsageError if the target has no address."""
    arrival = request.target.migration_address or request.target.address
    if not request.target.address:
        raise UsageError(
            f"host {request.target.name} has no address that its peers could reach",
            hint=f"nebula host update {request.target.name} --address ADDRESS",
        )
    flags, parameters = _wishes(request)
    if request.tunnel == "ssh" and not request.copy_targets:
        flags.append("VIR_MIGRATE_TUNNELLED")
    elif request.tunnel == "ssh":
        parameters |= _through_ports(open_ports(source, request))
    else:
        parameters["VIR_MIGRATE_PARAM_URI"] = f"tcp://{_host_part(arrival)}"
    if request.tunnel == "tls":
        flags.append("VIR_MIGRATE_TLS")
        parameters["VIR_MIGRATE_PARAM_TLS_DESTINATION"] = arrival
    return Route(uri=peer_uri(source.root, request.target), flags=tuple(flags), parameters=parameters)


def _wishes(request: MigrationRequest) -> tuple[list[str], dict[str, Any]]:
    flags, parameters = list(FLAGS), dict[str, Any]()
    if request.auto_converge:
        flags.append("VIR_MIGRATE_AUTO_CONVERGE")
    if request.shared_unsafe:
        flags.append("VIR_MIGRATE_UNSAFE")
    if request.bandwidth_mib:
        parameters["VIR_MIGRATE_PARAM_BANDWIDTH"] = request.bandwidth_mib
    if request.copy_targets:
        flags.append("VIR_MIGRATE_NON_SHARED_INC")
        parameters["VIR_MIGRATE_PARAM_MIGRATE_DISKS"] = list(request.copy_targets)
    return flags, parameters


def _through_ports(port: int) -> dict[str, Any]:
    # DISKS_PORT would say the same, but libvirt 9.0 never takes back its reservation of that port.
    return {
        "VIR_MIGRATE_PARAM_URI": f"tcp://{LOOPBACK}:{port}",
        "VIR_MIGRATE_PARAM_LISTEN_ADDRESS": LOOPBACK,
        "VIR_MIGRATE_PARAM_DISKS_URI": f"tcp://{LOOPBACK}:{port + 1}",
    }


def peer_uri(root: str, target: HostHandle) -> str:
    """The target's libvirtd as the source host reaches it, with the source's own key and known hosts."""
    keys = quote(f"{root}/ssh", safe="/")
    login = f"{quote(target.user, safe='')}@{_host_part(target.address)}:{target.port}"
    return (
        f"qemu+libssh://{login}/system?keyfile={keys}/id_ed25519&known_hosts={keys}/known_hosts"
        "&known_hosts_verify=normal&sshauth=privkey&no_tty=1"
    )


def _host_part(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def open_ports(source: HostHandle, request: MigrationRequest) -> int:
    """Forward two ports of the source's loopback to the target's; the first one's number."""
    start = zlib.crc32(f"{request.uuid} to {request.target.name}".encode())
    for attempt in range(ATTEMPTS):
        port = FIRST_PORT + 2 * ((start + attempt) % PORT_PAIRS)
        try:
            source.transport.run(sh(_DETACHED, *forward_argv(source.root, request.target, port)), root=True)
        except CommandError as error:
            if "already in use" not in error.stderr and "cannot listen" not in error.stderr:
                raise _refused(source, request.target, error) from error
            continue
        return port
    raise ConflictError(
        f"no free ports on host {source.name} for a migration", cause=f"{ATTEMPTS} pairs from {FIRST_PORT} were tried"
    )


def _refused(source: HostHandle, target: HostHandle, error: CommandError) -> Exception:
    return ConflictError(
        f"host {source.name} cannot forward ports to host {target.name}, which copying disks over ssh needs",
        cause=error.cause,
        hint=f"nebula host check {target.name}",
    )


def forward_argv(root: str, target: HostHandle, port: int) -> list[str]:
    """The command on the source host; it goes to the background when both ports are open."""
    options = [
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ExitOnForwardFailure=yes",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "ServerAliveInterval=15",
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={root}/ssh/known_hosts",
    ]
    pairs = [f"{LOOPBACK}:{number}:{LOOPBACK}:{number}" for number in (port, port + 1)]
    return [
        *("ssh", "-f", "-F", "none", "-i", f"{root}/ssh/id_ed25519", "-l", target.user, "-p", str(target.port)),
        *(word for option in options for word in ("-o", option)),
        *(word for pair in pairs for word in ("-L", pair)),
        *("--", target.address, "sleep", str(IDLE_SECONDS)),
    ]
