"""Changes of a host's own network that are put back by a timer on the host, unless they are confirmed from the other side.

What is to be done and its inverse lie on the host before anything is, and the timer runs before it, in a session of its own
(a unit of systemd's where there is one). Whoever is killed, whatever connection breaks: after so many seconds the host is as
it was, if nobody has come through a connection that was opened since and said that all is well: who comes hears first that it
was done, and says so through the next one, as the first may have been opened before. Which of both it is, is one link that only
one can make, whole or not at all. On this machine itself the other side is the gateway of the default route; so it is where the
new connection ends at another address than those that were moved.

Under the host's root, in `moves/NUMBER`: `forward`, `back` (lines for `ip -batch`), `target`, `gateways` and `addresses` (where
the host is to be reached), `boot`, the timer's `program`, the locks `timer` and `mover` (held
while they run), and what happened: `armed`, `moved` or `failed`, `decision` (confirmed or back), `done`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from nebula import timeouts
from nebula.drivers.base import HostHandle
from nebula.errors import CommandError, ConflictError, TimedOutError, UnreachableError
from nebula.transport.scripts import sh

_PAUSE = 0.3
_PATH = 'export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"'
_BOOT = """
boot() { cat /proc/sys/kernel/random/boot_id; sed 's/^.*) //' /proc/1/stat | cut -d ' ' -f 20; }
"""
_TIMER = rf"""
{_PATH}
cd -- "$1" || exit
exec 8>>timer; flock -n 8 || exit 0
left=$(($2 * 5))
: >armed
while [ ! -h decision ] && [ ! -e failed ] && [ "$left" -gt 0 ]; do sleep 0.2 8>&-; left=$((left - 1)); done
ln -sT back decision 2>/dev/null
[ "$(readlink decision)" != confirmed ] || exit 0
exec 9>>mover; flock -w 10 9
ip -force -batch back >/dev/null 2>&1
: >done
"""
_MOVER = rf"""
{_PATH}
cd -- "$1" || exit
exec 9>>mover; flock -n 9 || exit
[ ! -h decision ] || exit
sleep 0.2  # the answer of whoever asked for this goes first
for switch in "/proc/sys/net/ipv4/conf/$2"/*; do cat "$switch" >"/proc/sys/net/ipv4/conf/$3/${{switch##*/}}"; done 2>/dev/null
if [ -n "$4" ]; then
    for switch in accept_ra=0 autoconf=0 disable_ipv6=0; do
        echo "${{switch#*=}}" >"/proc/sys/net/ipv6/conf/$3/${{switch%=*}}"
    done 2>/dev/null
fi
if ip -batch forward >/dev/null 2>said; then mv said moved; else mv said failed; fi
"""
_ARM = rf"""
{_PATH}
{_BOOT}
dir=$1 seconds=$2 timer=$3 mover=$4 number=$5
shift 5
umask 077
mkdir -p -- "${{dir%/*}}" && mkdir -- "$dir" && cd -- "$dir" || exit 1
awk '/^== /{{ file = $2; printf "" >file; next }} {{ print >file }}' && boot >boot && sync -- forward back boot || exit 1
printf '%s\n' "$timer" >program  # systemd would read variables into words that have a dollar sign
if ! [ -d /run/systemd/system ] || ! systemd-run --quiet --collect "--unit=nebula-move-$number" sh "$dir/program" "$dir" \
    "$seconds" </dev/null >/dev/null 2>&1; then
    setsid sh -c "$timer" nebula-timer "$dir" "$seconds" </dev/null >/dev/null 2>&1 &
fi
tries=0
until [ -e armed ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || {{ echo "no timer starts" >&2; exit 1; }}
    sleep 0.05
done
setsid sh -c "$mover" nebula-mover "$dir" "$@" </dev/null >/dev/null 2>&1 &
"""
"""Reads `forward` and `back` from stdin, each after its name; arms the timer, then begins."""
_LOOK = rf"""
{_PATH}
dir=$1 seen=$2 confirm=$3
cd -- "$dir" 2>/dev/null || {{ echo gone; exit 0; }}
answers() {{
    ip neigh del "$1" dev "$device" 2>/dev/null
    case "$1" in fe80:*) scope="%$device" ;; *) scope= ;; esac
    bash -c 'for try in 1 2 3 4 5 6; do
        echo >"/dev/udp/$1$3/9"; sleep 0.2
        case "$(ip neigh show to "$1" dev "$2")" in *lladdr*) exit 0 ;; esac
    done; exit 1' bash "$1" "$device" "$scope" 2>/dev/null
}}
if [ "$confirm" ] && [ ! -h decision ] && [ -e moved ]; then
    if [ -n "$seen" ] && ! grep -qxF -- "$seen" addresses; then
        device=$(cat target)
        for gateway in $(cat gateways); do answers "$gateway" || {{ echo silent; exit 0; }}; done
    fi
    ln -sT confirmed decision 2>/dev/null
fi
if [ -h decision ]; then
    if [ "$(readlink decision)" = confirmed ]; then echo confirmed
    elif [ -e done ]; then echo back; cat failed 2>/dev/null
    else echo returning; fi
elif flock -n timer true; then echo lost
elif [ -e moved ]; then echo moved
else echo moving; fi
true
"""
"""Says how it stands. With $3, confirms what was done, where the gateways answer, too, if $2 is none of the addresses."""
_SETTLE = rf"""
{_PATH}
{_BOOT}
cd -- "$1" 2>/dev/null || exit 0
if [ "$(cat boot 2>/dev/null)" = "$(boot)" ]; then
    if [ ! -h decision ] && ! flock -n timer true; then echo pending; exit 0; fi
    exec 8>>timer 9>>mover
    flock -w 15 8 && flock -w 10 9 || exit 75
    if [ -e armed ] && [ ! -e done ] && [ "$(readlink decision)" != confirmed ]; then ip -force -batch back >&2; fi
fi
cd / && rm -rf -- "$1"
rmdir -- "${{1%/*}}" 2>/dev/null
true
"""
"""Ends what an engine left that was killed: "pending" if the timer still waits for somebody to confirm."""
_SEEN_AS = 'set -- ${SSH_CONNECTION:-}; echo "${3:-}"'
"""The host's own address at which the connection ends."""
_HERE = "here"
"""Instead of it, where there is no connection."""


class Confirmed:
    """One change at a time of what the host has on a bridge; `number` names it on the host."""

    def __init__(self, host: HostHandle, number: int) -> None:
        self._host, self._number = host, number
        self._dir = f"{host.root}/moves/{number}"

    def settle(self) -> None:
        """End what an engine began that was killed since: confirmed if the timer still waits, else put back, and forgotten."""
        done = self._host.transport.run(sh(_SETTLE, self._dir), root=True)
        if done.text.strip() == "pending":
            self._confirm()

    def make(
        self,
        forward: Sequence[str],
        back: Sequence[str],
        *,
        source: str,
        target: str,
        ipv6: bool,
        gateways: Sequence[str],
        addresses: Sequence[str],
    ) -> None:
        """Do it. `target`: the device through which the host is reached afterwards, where `gateways` answer, at `addresses`;
        what the kernel's switches say of `source` they then say of that. ConflictError once it was put back.
        """
        files = {"forward": forward, "back": back, "target": [target], "gateways": gateways, "addresses": addresses}
        script = "".join(f"{line}\n" for name, lines in files.items() for line in (f"== {name}", *lines)).encode("ascii")
        words = (self._dir, str(round(timeouts.HOST_CONFIRMED)), _TIMER, _MOVER, str(self._number))
        arm = sh(_ARM, *words, source, target, "ipv6" if ipv6 else "")
        try:
            with contextlib.suppress(UnreachableError, TimedOutError):  # the host may have begun all the same
                self._host.transport.run(arm, stdin=script, root=True)
        except CommandError:
            self._host.transport.run(sh(_SETTLE, self._dir), root=True, check=False)
            raise
        self._confirm()

    def _confirm(self) -> None:
        """Come from the other side until the host says how it ended."""
        end = time.monotonic() + timeouts.HOST_CONFIRMED + timeouts.COMMAND
        while True:
            state, _, said = self._look().partition("\n")
            if state == "moved":
                state, _, said = self._look("confirm").partition("\n")
            if state == "confirmed":
                self._forget()
                return
            if state in {"back", "lost", "gone"}:
                break
            if time.monotonic() > end:
                raise UnreachableError(
                    f"host {self._host.name} does not answer since its addresses were to be on another device",
                    cause="it puts them back by itself", hint=f"nebula host check {self._host.name}",
                )  # fmt: skip
            time.sleep(_PAUSE)
        self._forget()
        raise ConflictError(
            f"host {self._host.name} did not answer with its addresses on the other device, and is as it was before",
            cause=said.strip() or f"nobody came through to it within {timeouts.HOST_CONFIRMED:.0f} s",
            hint="does the switch's port let another MAC address and bridges pass (port security, BPDU guard), and no firewall "
            f"of the host names the device? ssh {self._host.name} nft list ruleset",
        )

    def _forget(self) -> None:
        """Nothing of it is left on the host, once its timer has ended."""
        self._host.transport.retry_now()
        self._host.transport.run(sh(_SETTLE, self._dir), root=True)

    def _look(self, confirm: str = "") -> str:
        """How it stands, as the host says to somebody who is connected anew; "silent" if it says nothing. `confirm`: whether
        it is to stay so.
        """
        fresh = self._host.transport.anew()
        try:
            if fresh is None:
                return self._host.transport.run(sh(_LOOK, self._dir, _HERE, confirm), root=True).text
            seen = fresh.run(sh(_SEEN_AS), timeout=timeouts.SSH_CONNECT).text.strip()
            return fresh.run(sh(_LOOK, self._dir, seen, confirm), root=True, timeout=timeouts.SSH_CONNECT).text
        except (UnreachableError, TimedOutError):
            return "silent"
        finally:
            if fresh is not None:
                fresh.close()
