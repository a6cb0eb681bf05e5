"""A place in a network as a guest's would be, for a moment: other hosts are asked from there, whole packets and all.

It is a network namespace without a name that one process keeps, which ends by itself: with it goes all that is within, and the
other end of its cable. So nothing of it stays, whoever is killed. No program is needed beyond bash: a packet to a port that
nobody listens at is answered by the other kernel (ICMP), and no firewall of the host looks into the namespace.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence

from nebula import timeouts
from nebula.drivers.base import Answer, HostHandle
from nebula.errors import CommandError, ConflictError, NebulaError
from nebula.model.network import NetworkSpec
from nebula.transport.scripts import sh

Lines = Callable[[str], list[str]]
SECONDS = 25
"""How long a probe lives at most, and may hold up a network's start on its host."""
_HEADERS = 28
"""Bytes of IPv4 and UDP."""
_BUSY = 75
_START = r"""
export LC_ALL=C
name=$1 seconds=$2 address=$3 lock=$4 settle=$5 gateway=$6
if [ -n "$lock" ]; then
    mkdir -p -- "${lock%/*}" && exec 9>>"$lock" && flock -s -w 10 9 || exit 75
fi
setsid unshare --net bash -c 'exec -a "$0" sleep "$1"' "$name" "$seconds" </dev/null >/dev/null 2>&1 &
pid=$!
end() { kill "$pid" 2>/dev/null; ip link delete dev "$name" 2>/dev/null; exit 1; }
tries=0
until [ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" = "$name $seconds " ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || end
    sleep 0.05
done
sed "s/@PID@/$pid/" | ip -batch - >&2 || end
nsenter -t "$pid" -n sh -c '
    for switch in ipv6/conf/all/disable_ipv6=1 ipv4/icmp_ratelimit=0; do
        echo "${switch#*=}" 2>/dev/null >"/proc/sys/net/${switch%=*}"
    done
    ip link set lo up && ip link set eth0 up
' >&2 || end
sleep "$settle"
found=silent
# Without an address of its own, so that the request comes from 0.0.0.0, which every gateway answers, whatever it thinks of
# senders from elsewhere.
[ -z "$gateway" ] || nsenter -t "$pid" -n bash -c '
    ip route add "$1/32" dev eth0
    for try in 1 2 3 4 5 6; do
        echo >"/dev/udp/$1/9"
        sleep 0.2
        case "$(ip neigh show to "$1")" in *lladdr*) exit 0 ;; esac
    done
    exit 1
' bash "$gateway" >/dev/null 2>&1 && found=found
nsenter -t "$pid" -n ip address add "$address/16" dev eth0 >&2 || end
echo "$pid $found"
"""
_INSIDE = r"""
pid=$1 name=$2; shift 2
[ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -d ' ' -f 1)" = "$name" ] || exit 76
exec nsenter -t "$pid" -n "$@"
"""
_END = r"""
if [ "$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | cut -d ' ' -f 1)" = "$2" ]; then
    # The kernel takes namespaces away a moment later; a VXLAN must be gone when the lock is.
    nsenter -t "$1" -n ip link delete dev eth0
    kill "$1"
fi
ip link delete dev "$2" 2>/dev/null
true
"""
_ASK = r"""
export LC_ALL=C
size=$1; shift
answered() {  # address bytes seconds: whether the kernel there says that nobody listens
    local end=$((SECONDS + $3)) sent
    exec 3<>"/dev/udp/$1/9" || return
    for ((sent = 0; sent < 2 || SECONDS < end; sent++)); do
        case "$(dd if=/dev/zero bs="$2" count=1 2>&1 >&3)" in *"Connection refused"*) return 0 ;; esac
        sleep 0.25
    done
    case "$(dd if=/dev/zero bs=1 count=1 2>&1 >&3)" in *"Connection refused"*) return 0 ;; esac
    return 1
} 2>/dev/null
found() { case "$(ip neigh show to "$1")" in *REACHABLE*) return 0 ;; esac; return 1; }
knocked() {  # address: whether it has ssh, or says that it has none
    local said
    said=$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/22"' bash "$1" 2>&1) && return 0
    case "$said" in *refused*) return 0 ;; esac
    return 1
}
ask() {
    local low=0 high=$size middle
    if ! answered "$1" 1 4; then
        # What a host itself remembers of a neighbour outlives a cut cable by half a minute.
        if [ "$size" -eq 1 ]; then knocked "$1"; else found "$1"; fi && echo "$1 found 0" || echo "$1 silent 0"
        return
    fi
    if answered "$1" "$high" 2; then low=$high; fi
    while [ $((high - low)) -gt 1 ]; do
        middle=$(((low + high) / 2))
        if answered "$1" "$middle" 0; then low=$middle; else high=$middle; fi
    done
    echo "$1 answers $low"
}
for address; do ask "$address" & done
wait
"""


class Probe:
    """See nebula.drivers.base.Probe."""

    def __init__(self, host: HostHandle, name: str, pid: str, mtu: int, *, gateway: bool, below: bool) -> None:
        self.mtu, self.gateway, self.name = mtu, gateway, name
        self._host, self._pid, self._below = host, pid, below

    def ask(self, addresses: Sequence[str]) -> list[Answer]:
        """See Probe.ask."""
        words = ["bash", "-c", _ASK, "nebula", str(self.mtu - _HEADERS), *addresses]
        return _answers(self._host.transport.run(sh(_INSIDE, self._pid, self.name, *words), root=True).text)

    def ask_below(self, addresses: Sequence[str]) -> list[Answer]:
        """See Probe.ask_below."""
        if not self._below or not addresses:
            return []
        words = ["bash", "-c", _ASK, "nebula", "1", *addresses]
        return _answers(self._host.transport.run(words, root=True).text)

    def inside(self, *words: str, stdin: bytes | None = None) -> None:
        """A command in there."""
        self._host.transport.run(sh(_INSIDE, self._pid, self.name, *words), stdin=stdin, root=True)

    def end(self) -> None:
        """Nothing is left; a host that does not answer ends it by itself."""
        with contextlib.suppress(NebulaError):
            self._host.transport.run(sh(_END, self._pid, self.name), root=True)


def cable(mtu: int, outer: int, *plug: str) -> Lines:
    """Lines for `ip` that make a cable into a bridge whose MTU is `outer`. That keeps its own: it would take the lowest MAC
    address and the lowest MTU of its ports.
    """

    def lines(name: str) -> list[str]:
        mac = f"fe:ff:{name[3:5]}:{name[5:7]}:{name[7:9]}:{name[9:11]}"
        return [
            f"link add name {name} address {mac} mtu {max(mtu, outer)} type veth peer name eth0 mtu {mtu} netns @PID@",
            f"link set dev {name} addrgenmode none",
            *(f"link set dev {name} {line}" for line in plug),
            f"link set dev {name} up",
        ]

    return lines


def device(mtu: int, options: str) -> Lines:
    """Lines for `ip` that make a device within the probe which goes through one of the host's."""
    return lambda _name: [f"link add name eth0 mtu {mtu} netns @PID@ {options}"]


def through(uplink: str) -> str:
    """The options of a device that sends what it is given through another one, as it is."""
    return f"link {uplink} type macvlan mode bridge"


@contextlib.contextmanager
def started(
    host: HostHandle,
    network: NetworkSpec,
    address: str,
    mtu: int,
    lines: Lines,
    *,
    alone: bool = False,
    below: bool = False,
    settle: int = 0,
) -> Iterator[Probe]:
    """A probe for as long as this lasts. `alone`: nobody makes devices on the host meanwhile, as they might be the same.
    `settle`: seconds that the bridge keeps new ports waiting.
    """
    name = f"nbp{secrets.token_hex(4)}"
    script = "".join(f"{line}\n" for line in lines(name)).encode("ascii")
    lock = f"{host.root}/network.lock" if alone else ""
    words = (name, str(SECONDS + settle), address, lock, str(settle), network.gateway)
    done = host.transport.run(sh(_START, *words), stdin=script, root=True, check=False, timeout=timeouts.COMMAND + settle)
    if done.status == _BUSY:
        raise ConflictError(f"networks are made on host {host.name} just now", hint="try again")
    if done.status != 0:
        said = done.stderr.decode("utf-8", "replace")
        raise CommandError(host.name, ["ip", "-batch", "-"], done.status, said, hint="bash --version; nsenter -V; ip -V")
    pid, said = done.text.split()
    probe = Probe(host, name, pid, mtu, gateway=said == "found", below=below)
    try:
        yield probe
    finally:
        probe.end()


def _answers(text: str) -> list[Answer]:
    found = (line.split() for line in text.splitlines())
    return [
        Answer(address=address, found=said != "silent", whole=int(size) + _HEADERS if said == "answers" else 0)
        for address, said, size in found
    ]
