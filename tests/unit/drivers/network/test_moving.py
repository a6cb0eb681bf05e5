"""The host's own addresses move onto a bridge of ours and back, on a real kernel; whoever is cut off is itself again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nebula import timeouts
from nebula.drivers.base import HostHandle
from nebula.drivers.network import confirmed, hostaddresses
from nebula.drivers.network.bridge import BridgeNetwork
from nebula.errors import ConflictError, UnreachableError
from nebula.model.network import NetworkSpec
from nebula.transport.base import Completed
from tests.contract.network import TAPS
from tests.support.sim import until
from tests.unit.drivers.network.namespaces import Namespace, NamespaceTransport, handle

LAN = NetworkSpec(
    network_id=7, name="lan", driver="bridge", bridge="onebr7", owned=True, physical_device="up0", move_addresses=True
)
SECONDS = 3.0
"""How long a host waits that is cut off; one that is to be reached waits as long as usual, however slow the machine is."""


class Anew:
    """A connection from the outside that is opened at each command: it must find the host."""

    def __init__(self, outside: Namespace, host: NamespaceTransport) -> None:
        self._outside, self._host = outside, host

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        if not self._outside.ask("192.0.2.2", 0.5):
            raise UnreachableError(f"host {self._host.name} does not answer")
        return self._host.run(argv, **more)

    def close(self) -> None:
        pass


class Reached(NamespaceTransport):
    """The host as the engine has it: over a network that may be cut, whatever its old connection can do."""

    def __init__(self, host: Namespace, outside: Namespace | None) -> None:
        super().__init__(host.name)
        self._outside = outside

    def anew(self) -> Anew | None:
        return Anew(self._outside, self) if self._outside else None

    def retry_now(self) -> None:
        pass


@contextlib.contextmanager
def impatient(seconds: float = SECONDS) -> Iterator[None]:
    """Hosts put their addresses back soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeouts, "HOST_CONFIRMED", seconds)
        yield


@pytest.fixture
def answering(host: Namespace, outside: Namespace) -> Iterator[Namespace]:
    """The host with addresses of both kinds, routes in two tables, and a server at 192.0.2.2."""
    host.sh("ip address add 192.0.2.3/24 dev up0 label up0:1")
    host.sh("ip address add fd00::2/64 dev up0 nodad")
    outside.sh("ip address add fd00::1/64 dev eth0 nodad")
    host.sh("ip route replace default via 192.0.2.1 proto static metric 50")
    host.sh("ip route add default via fd00::1")
    host.sh("ip route add 10.9.0.0/16 via 192.0.2.1 table 77 src 192.0.2.3")
    host.sh("ip -6 address flush dev up0 scope link")
    host.sh("ip address add fe80::2/64 dev up0 nodad")  # one that is not tentative for a second
    server = host.start_echo("0.0.0.0")  # noqa: S104 - within the namespace
    yield host
    server.kill()
    server.wait()


@pytest.fixture
def reached(answering: Namespace, outside: Namespace, root: Path) -> Iterator[HostHandle]:
    transport: Any = Reached(answering, outside)
    made = msgspec.structs.replace(handle(answering, root), transport=transport)
    yield made
    settled(made)


def state(host: Namespace) -> dict[str, Any]:
    """All that could change."""
    found = json.loads(host.sh("ip -j address show"))
    devices = {
        one["ifname"]: (
            one.get("master"), one["mtu"], "UP" in one["flags"],
            sorted((item["local"], item["prefixlen"], item.get("label"), item.get("broadcast")) for item in one["addr_info"]),
        )
        for one in found
    }  # fmt: skip
    routes = [line for family in (4, 6) for line in host.sh(f"ip -{family} route show table all").splitlines()]
    return {"devices": devices, "routes": sorted(line.strip() for line in routes if "ff00::" not in line)}


def left(reached: HostHandle) -> list[str]:
    """Files and processes of a change."""
    moves = Path(reached.root) / "moves"
    running = subprocess.run(["pgrep", "-f", f"nebula-(timer|mover) {moves}"], capture_output=True, text=True, check=False)
    return [*(str(path) for path in moves.rglob("*")), *running.stdout.split()]


def settled(reached: HostHandle) -> None:
    end = time.monotonic() + 60
    while left(reached):
        assert time.monotonic() < end, left(reached)
        time.sleep(0.1)


def test_the_host_moves_and_moves_back(reached: HostHandle, answering: Namespace, outside: Namespace) -> None:
    driver, before = BridgeNetwork(), state(answering)
    assert [one.check for one in driver.check(reached, LAN)] == ["move"]
    for _ in range(2):
        driver.prepare(reached, LAN)
        assert outside.ask("192.0.2.2") == "192.0.2.1"
        settled(reached)
    now = state(answering)
    assert now["devices"]["up0"][0] == "onebr7"
    assert now["devices"]["up0"][3] == []
    assert {one[0] for one in now["devices"]["onebr7"][3]} == {one[0] for one in before["devices"]["up0"][3]}
    assert now["routes"] == sorted(line.replace("up0", "onebr7") for line in before["routes"])
    assert outside.transport.run(["ip", "-6", "neigh", "show", "to", "fd00::2"]).status == 0
    driver.release(reached, LAN)
    assert state(answering) == now
    for _ in range(2):
        driver.move_back(reached, LAN)
        driver.release(reached, LAN)
        settled(reached)
        assert state(answering) == before
    assert outside.ask("192.0.2.2") == "192.0.2.1"


def test_a_guest_is_on_the_hosts_own_wire_and_holds_it_there(reached: HostHandle, answering: Namespace) -> None:
    driver = BridgeNetwork()
    driver.prepare(reached, LAN)
    answering.sh(f"ip tuntap add dev {TAPS[0]} mode tap")
    answering.sh(f"ip link set {TAPS[0]} master onebr7 up")
    now = state(answering)
    driver.move_back(reached, LAN)
    driver.release(reached, LAN)
    assert state(answering) == now


def test_another_uplink_is_no_second_way_out(reached: HostHandle, answering: Namespace) -> None:
    driver = BridgeNetwork()
    driver.prepare(reached, LAN)
    answering.sh("ip link add up1 type veth peer name far1")
    now = state(answering)
    for verb in (driver.prepare, driver.move_back):
        with pytest.raises(ConflictError) as caught:
            verb(reached, msgspec.structs.replace(LAN, physical_device="up1"))
        assert caught.value.hint
    assert state(answering) == now


def test_the_mtu_of_the_host_is_kept_and_grows(reached: HostHandle, answering: Namespace) -> None:
    driver = BridgeNetwork()
    driver.prepare(reached, msgspec.structs.replace(LAN, mtu=1400))
    assert [state(answering)["devices"][name][1] for name in ("up0", "onebr7")] == [1500, 1500]
    driver.move_back(reached, LAN)
    driver.release(reached, LAN)
    before = state(answering)
    wide = msgspec.structs.replace(LAN, mtu=4000)
    driver.prepare(reached, wide)
    assert [state(answering)["devices"][name][1] for name in ("up0", "onebr7")] == [4000, 4000]
    assert before["devices"]["up0"][1] == 1500


def _cut(outside: Namespace) -> None:
    """The switch takes nothing from a port behind which there is a bridge: here, what comes from the host's address."""
    outside.sh("nft add table ip cut")
    outside.sh("nft add chain ip cut in { type filter hook input priority 0 ; }")
    outside.sh("nft add rule ip cut in ip saddr 192.0.2.2 drop")


def _mend(outside: Namespace) -> None:
    outside.sh("nft delete table ip cut")


@pytest.mark.parametrize("wide", [False, True])
def test_a_host_that_is_cut_off_is_as_it_was(reached: HostHandle, answering: Namespace, outside: Namespace, wide: bool) -> None:
    before = state(answering)
    _cut(outside)
    begun = time.monotonic()
    with impatient(), pytest.raises(ConflictError) as caught:
        BridgeNetwork().prepare(_comes_back(reached, outside), msgspec.structs.replace(LAN, mtu=4000 if wide else 0))
    assert time.monotonic() - begun >= SECONDS
    assert caught.value.hint
    assert state(answering) == before
    settled(reached)


def test_a_host_that_is_cut_off_on_its_way_back_stays(reached: HostHandle, answering: Namespace, outside: Namespace) -> None:
    driver = BridgeNetwork()
    driver.prepare(reached, LAN)
    settled(reached)
    before = state(answering)
    _cut(outside)
    with impatient(), pytest.raises(ConflictError):
        driver.move_back(_comes_back(reached, outside), LAN)
    assert state(answering) == before
    settled(reached)


def _comes_back(reached: HostHandle, outside: Namespace) -> HostHandle:
    """The host, whose way is free again as soon as it has put its addresses back, as a switch's would be."""

    class Watching(Reached):
        def anew(self) -> Anew | None:
            if (Path(reached.root) / "moves/7/done").exists():
                with contextlib.suppress(Exception):
                    _mend(outside)
            return super().anew()

    namespace = Namespace(NamespaceTransport(reached.name))
    transport: Any = Watching(namespace, outside)
    return msgspec.structs.replace(reached, transport=transport)


def test_this_machine_is_confirmed_by_its_gateway(answering: Namespace, outside: Namespace, root: Path) -> None:
    transport: Any = Reached(answering, None)
    here = msgspec.structs.replace(handle(answering, root), transport=transport)
    driver, before = BridgeNetwork(), state(answering)
    driver.prepare(here, LAN)
    settled(here)
    driver.move_back(here, LAN)
    driver.release(here, LAN)
    assert state(answering) == before
    outside.sh("ip link set eth0 arp off")
    outside.sh("ip -6 address flush dev eth0")
    with impatient(), pytest.raises(ConflictError):
        driver.prepare(here, LAN)
    assert state(answering) == before


class UnderSystemd(Reached):
    """Where systemd runs, or so it seems; its `systemd-run` notes what it is told and starts it as systemd would, apart."""

    def __init__(self, host: Namespace, outside: Namespace, tools: Path) -> None:
        super().__init__(host, outside)
        self._tools = tools
        (tools / "systemd-run").write_text(
            f'#!/bin/sh\necho "$*" >>{tools}/units\nwhile :; do case "$1" in --*) shift ;; *) break ;; esac; done\n'
            'setsid "$@" </dev/null >/dev/null 2>&1 &\n'
        )
        (tools / "systemd-run").chmod(0o755)

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        inside = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && PATH="$0:$PATH" && exec "$@"'
        return super().run(["sh", "-c", inside, str(self._tools), *argv], **more)


def test_the_timer_is_a_unit_where_systemd_runs(
    reached: HostHandle, answering: Namespace, outside: Namespace, tmp_path: Path
) -> None:
    transport: Any = UnderSystemd(answering, outside, tmp_path)
    host, before = msgspec.structs.replace(reached, transport=transport), state(answering)
    BridgeNetwork().prepare(host, LAN)
    settled(host)
    units = (tmp_path / "units").read_text()
    assert units.startswith("--quiet --collect --unit=nebula-move-7 sh ")
    assert outside.ask("192.0.2.2") == "192.0.2.1"
    _cut(outside)
    now = state(answering)
    with impatient(), pytest.raises(ConflictError):
        BridgeNetwork().move_back(_comes_back(host, outside), LAN)
    assert state(answering) == now != before
    settled(host)


class Killed(Exception):
    """The engine is gone."""


@pytest.mark.parametrize("when", ["armed", "moved", "confirmed"])
@pytest.mark.parametrize("late", [False, True])
def test_an_engine_that_is_killed_leaves_a_host_that_answers(
    reached: HostHandle, answering: Namespace, outside: Namespace, monkeypatch: pytest.MonkeyPatch, when: str, late: bool
) -> None:
    """Whoever comes next finds it there, or put back, and ends it."""
    driver, before, moves = BridgeNetwork(), state(answering), Path(reached.root) / "moves/7"
    look = confirmed.Confirmed._look

    def killed(self: confirmed.Confirmed, confirm: str = "") -> str:
        if when == "confirmed":
            while look(self, "confirm") != "confirmed\n":
                time.sleep(0.1)
        if when == "moved":
            while not (moves / "moved").exists():
                time.sleep(0.05)
        raise Killed

    monkeypatch.setattr(confirmed.Confirmed, "_look", killed)
    with impatient(SECONDS if late and when != "confirmed" else timeouts.HOST_CONFIRMED), pytest.raises(Killed):
        driver.prepare(reached, LAN)
    monkeypatch.setattr(confirmed.Confirmed, "_look", look)
    if late:
        ended = moves / ("decision" if when == "confirmed" else "done")
        until(lambda: ended.exists() or ended.is_symlink(), "what the timer does")
        assert outside.ask("192.0.2.2") == "192.0.2.1"
        assert (state(answering) == before) == (when != "confirmed")
    driver.prepare(reached, LAN)
    assert outside.ask("192.0.2.2") == "192.0.2.1"
    assert state(answering)["devices"]["up0"][0] == "onebr7"
    settled(reached)
    driver.move_back(reached, LAN)
    driver.release(reached, LAN)
    assert state(answering) == before


def test_a_mover_that_is_killed_anywhere_is_undone(
    reached: HostHandle, answering: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it is `ip` that ends after so many lines, and its shell with it."""
    before, mover = state(answering), confirmed._MOVER
    for lines in range(20):
        cut = f"head -n {lines} forward | ip -batch - ; kill -9 $$\nif ip -batch forward"
        monkeypatch.setattr(confirmed, "_MOVER", mover.replace("if ip -batch forward", cut))
        with impatient(1), pytest.raises(ConflictError):
            BridgeNetwork().prepare(reached, LAN)
        assert state(answering) == before
    settled(reached)


@pytest.mark.parametrize("who", ["nebula-timer", "nebula-mover"])
def test_a_timer_that_is_killed_is_made_good_by_who_comes_next(
    reached: HostHandle, answering: Namespace, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    before = state(answering)

    def killed(self: confirmed.Confirmed, confirm: str = "") -> str:
        found = subprocess.run(["pgrep", "-f", f"{who} {reached.root}/moves"], capture_output=True, text=True, check=False)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
            while Path(f"/proc/{pid}/fd").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
                time.sleep(0.01)
        raise Killed

    driver = BridgeNetwork()
    with monkeypatch.context() as patch:
        patch.setattr(confirmed.Confirmed, "_look", killed)
        patch.setattr(confirmed, "_MOVER", confirmed._MOVER.replace("sleep 0.2", "sleep 5"))
        with impatient(), pytest.raises(Killed):
            driver.prepare(reached, LAN)
    if who == "nebula-timer":
        driver.prepare(reached, LAN)
    else:
        with pytest.raises(ConflictError):
            driver.prepare(reached, LAN)
    settled(reached)
    driver.prepare(reached, LAN)
    driver.move_back(reached, LAN)
    driver.release(reached, LAN)
    assert state(answering) == before


def test_a_step_that_the_kernel_refuses_is_undone_at_once(
    reached: HostHandle, answering: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(answering)
    monkeypatch.setattr(
        confirmed, "_MOVER", confirmed._MOVER.replace("if ip -batch", "echo no such line >>forward; if ip -batch")
    )
    monkeypatch.setattr(timeouts, "HOST_CONFIRMED", 60.0)
    with pytest.raises(ConflictError) as caught:
        BridgeNetwork().prepare(reached, LAN)
    assert "forward" in caught.value.cause
    assert state(answering) == before
    settled(reached)


def _leased(host: Namespace) -> None:
    host.sh("ip address add 192.0.2.7/24 dev up0 valid_lft 600 preferred_lft 600")


def _tunnel(host: Namespace) -> None:
    host.sh("ip link add vx5 type vxlan id 5 dstport 4789 dev up0 remote 192.0.2.1")


def _macvlan(host: Namespace) -> None:
    host.sh("ip link add mac0 link up0 type macvlan")


def _several_ways(host: Namespace) -> None:
    host.sh("ip route add 10.8.0.0/16 nexthop via 192.0.2.1 dev up0 nexthop via 192.0.2.5 dev up0")


def _daemons_route(host: Namespace) -> None:
    host.sh("ip route add 10.8.0.0/16 via 192.0.2.1 proto bgp")


@pytest.mark.parametrize("change", [_leased, _tunnel, _macvlan, _several_ways, _daemons_route])
def test_what_others_keep_up_is_refused_before_anything_is_done(reached: HostHandle, answering: Namespace, change: Any) -> None:
    change(answering)
    before = state(answering)
    driver = BridgeNetwork()
    with pytest.raises(ConflictError) as caught:
        driver.prepare(reached, LAN)
    assert caught.value.cause
    assert caught.value.hint
    assert (state(answering), left(reached)) == (before, [])
    assert [one.level for one in driver.check(reached, LAN)] == ["error"]


@pytest.mark.parametrize(
    ("program", "said"),
    [("nmcli", "up0:connected"), ("networkctl", "  2 up0 ether routable configured"), ("dhclient", "")],
)
def test_who_manages_the_device_is_named(
    reached: HostHandle, answering: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    file = tmp_path / program
    running = None
    if said:
        file.write_text(f"#!/bin/sh\necho '{said}'\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    else:
        running = subprocess.Popen(["bash", "-c", 'exec -a dhclient sleep "$@"', "bash", "60"])
        looked = hostaddresses._KEEPERS.replace('grep -qxF -- "$device"', 'grep -qxF -- "60"')
        monkeypatch.setattr(hostaddresses, "_KEEPERS", looked)
    before = state(answering)
    try:
        with pytest.raises(ConflictError) as caught:
            BridgeNetwork().prepare(reached, LAN)
    finally:
        if running is not None:
            running.kill()
            running.wait()
    named = {"nmcli": "NetworkManager", "networkctl": "systemd-networkd", "dhclient": "dhclient"}[program]
    assert named in caught.value.cause
    assert "up0" in caught.value.hint
    assert state(answering) == before
