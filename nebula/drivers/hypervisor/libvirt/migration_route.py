"""How a migration's control and data travel from one host to another.

Control always goes from libvirtd to libvirtd through a Unix socket that the source host's `ssh` forwards to that of the
target's libvirtd, with the host's own key and its pinned known hosts. (libvirt's own ways would read root's configuration,
`qemu+ssh`, or leave a connection open for good after each migration, `qemu+libssh`: libvirt leaves the closing of its
socket to libssh, and libssh does not close what it was given.)

Data goes, by the request's `tunnel`:

- `tls`: QEMU to QEMU under TLS, disks too (the hosts need certificates under /etc/pki/qemu).
- `plain`: QEMU to QEMU, for a network that the cluster trusts.
- `ssh`: the same `ssh` forwards two loopback ports to the target, one for memory and one for disks, where QEMU listens on
  loopback only. libvirt's own tunnel through its control connection refuses to copy disks, and moved memory at two thirds
  of this one's rate.

The `ssh`'s command at the target ends when QEMU was connected to, or after a minute; the `ssh` then ends with the last
connection. So nothing is left behind, whether the engine lives or dies, but the socket's name, which the next migration
from there removes.
"""

from __future__ import annotations

import secrets
import zlib
from typing import Any
from urllib.parse import quote

import msgspec

from nebula.drivers.base import HostHandle, MigrationRequest
from nebula.errors import CommandError, ConflictError, NebulaError, UsageError
from nebula.transport.peers import peer_ssh
from nebula.transport.quoting import shell_string
from nebula.transport.scripts import sh

FIRST_PORT = 61_000
"""Above what kernels give to outgoing connections, and above libvirt's own range for migrations."""
PORT_PAIRS = 2_000
ATTEMPTS = 4
IDLE_SECONDS = 60
UNTIL_USED = r"""
PATH=$PATH:/usr/sbin:/sbin
seconds=$1 ports="( sport = :$2 or sport = :$3 or dport = :$2 or dport = :$3 )"
ends() { ss -Htan exclude listening "$@" "$ports" | awk '{ print $4, $5 }'; }
past=$(echo none; ends exclude established)
for turn in $(seq "$((seconds * 2))"); do
    ends | grep -qvxF "$past" && exit
    sleep 0.5
done
exit 1
"""
"""At the target, for $1 seconds at most: until there is, or was a moment ago, a connection to one of the two ports. Those
that were over before it began, an earlier migration's, do not count."""
LOOPBACK = "127.0.0.1"
_OPEN = r"""
directory=$1
shift
find "$directory" -maxdepth 1 -type s -name 'to-*' -mmin +1 | while IFS= read -r old; do
    grep -qF -- "$old" /proc/net/unix || rm -f -- "$old"
done
log=$(mktemp) || exit 1
trap 'rm -f -- "$log"' EXIT
"$@" </dev/null >/dev/null 2>"$log" && exit 0
status=$?
cat "$log" >&2
exit "$status"
"""
"""Removes the sockets in $1 that nobody listens on any more, then does what follows. A command that goes to the background
must not keep its caller's stdout and stderr open.
"""

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


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What the source's `ssh` forwards: a Unix socket to the target's, and two loopback ports from `port` on (0: none)."""

    socket: str
    control: str
    port: int = 0


def plan(source: HostHandle, request: MigrationRequest, control: str, turn: int = 0) -> Route:
    """The route to the target, whose libvirtd answers at its socket `control`; opens the way there, by other ports at each
    `turn`. UsageError if the target has no address.
    """
    arrival = request.target.migration_address or request.target.address
    if not request.target.address:
        raise UsageError(
            f"host {request.target.name} has no address that its peers could reach",
            hint=f"nebula host update {request.target.name} --address ADDRESS",
        )
    flags, parameters = _wishes(request)
    way = open_way(source, request, control, turn)
    if way.port:
        parameters |= _through_ports(way.port, disks=bool(request.copy_targets))
    else:
        parameters["VIR_MIGRATE_PARAM_URI"] = f"tcp://{_host_part(arrival)}"
    if request.tunnel == "tls":
        flags.append("VIR_MIGRATE_TLS")
        parameters["VIR_MIGRATE_PARAM_TLS_DESTINATION"] = arrival
    return Route(uri=f"qemu+unix:///system?socket={quote(way.socket)}", flags=tuple(flags), parameters=parameters)


def _wishes(request: MigrationRequest) -> tuple[list[str], dict[str, Any]]:
    flags, parameters = list(FLAGS), dict[str, Any]()
    if request.auto_converge:
        flags.append("VIR_MIGRATE_AUTO_CONVERGE")
        names = "VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL", "VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT"
        parameters |= {name: percent for name, percent in zip(names, request.converge, strict=True) if percent}
    if request.compressed:
        flags.append("VIR_MIGRATE_COMPRESSED")
        parameters["VIR_MIGRATE_PARAM_COMPRESSION"] = ["xbzrle"]
    if request.shared_unsafe:
        flags.append("VIR_MIGRATE_UNSAFE")
    if request.bandwidth_mib:
        parameters["VIR_MIGRATE_PARAM_BANDWIDTH"] = request.bandwidth_mib
    if request.copy_targets:
        flags.append("VIR_MIGRATE_NON_SHARED_INC")
        parameters["VIR_MIGRATE_PARAM_MIGRATE_DISKS"] = list(request.copy_targets)
    return flags, parameters


def _through_ports(port: int, *, disks: bool) -> dict[str, Any]:
    memory = {
        "VIR_MIGRATE_PARAM_URI": f"tcp://{LOOPBACK}:{port}",
        "VIR_MIGRATE_PARAM_LISTEN_ADDRESS": LOOPBACK,
    }
    # DISKS_PORT would say the same, but libvirt 9.0 never takes back its reservation of that port.
    return memory | ({"VIR_MIGRATE_PARAM_DISKS_URI": f"tcp://{LOOPBACK}:{port + 1}"} if disks else {})


def _host_part(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def taken(failure: Exception | None) -> bool:
    """Whether a migration did not begin because QEMU found its port in use at the target. That of another one, which goes the
    other way at the same time, may be the same: its source's `ssh` listens there.
    """
    cause = failure.cause if isinstance(failure, NebulaError) else ""
    return "Failed to find an available port" in f"{failure} {cause}"


def port_of(request: MigrationRequest, attempt: int) -> int:
    """The first of the two ports that are tried then; they are the same at both ends, as libvirt wants it."""
    chosen = zlib.crc32(f"{request.uuid} to {request.target.name}, {attempt}".encode())
    return FIRST_PORT + 2 * (chosen % PORT_PAIRS)


def open_way(source: HostHandle, request: MigrationRequest, control: str, turn: int = 0) -> Way:
    """Forward a socket of the source's to `control` at the target, and for the tunnel `ssh` two ports that are free here."""
    for attempt in range(turn * ATTEMPTS, (turn + 1) * ATTEMPTS):
        port = port_of(request, attempt) if request.tunnel == "ssh" else 0
        way = Way(socket=f"{source.root}/ssh/to-{secrets.token_hex(8)}", control=control, port=port)
        argv = forward_argv(source.root, request.target, way)
        try:
            source.transport.run(sh(_OPEN, f"{source.root}/ssh", *argv), root=True)
        except CommandError as error:
            if "already in use" not in error.stderr and "cannot listen" not in error.stderr:
                raise _refused(source, request.target, error) from error
            continue
        return way
    raise ConflictError(
        f"no free ports on host {source.name} for a migration", cause=f"{ATTEMPTS} pairs from {FIRST_PORT} were tried"
    )


def _refused(source: HostHandle, target: HostHandle, error: CommandError) -> Exception:
    return ConflictError(
        f"host {source.name} cannot forward ports to host {target.name}, which a migration needs",
        cause=error.cause,
        hint=f"nebula host check {source.name}",
    )


def forward_argv(root: str, target: HostHandle, way: Way) -> list[str]:
    """The command on the source host; it goes to the background when all is open."""
    ports = (way.port, way.port + 1) if way.port else ()
    pairs = [f"{way.socket}:{way.control}", *(f"{LOOPBACK}:{port}:{LOOPBACK}:{port}" for port in ports)]
    until = sh(UNTIL_USED, str(IDLE_SECONDS), *map(str, ports)) if ports else ["sleep", str(IDLE_SECONDS)]
    return [
        *peer_ssh(root, target.port, "ExitOnForwardFailure=yes"),
        *("-f", "-l", target.user),
        *(word for pair in pairs for word in ("-L", pair)),
        *("--", target.address, shell_string(until)),
    ]
