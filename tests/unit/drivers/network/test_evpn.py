"""VXLAN between hosts whose BGP daemons (FRR) tell each other who has which address."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nebula.drivers.network.vxlan import VxlanNetwork
from nebula.model.network import NetworkSpec
from tests.unit.drivers.network.guests import guest
from tests.unit.drivers.network.namespaces import Namespace, cable, handle, make

WIRE = NetworkSpec(
    network_id=7, name="wire", driver="vxlan", bridge="onebr7", owned=True, physical_device="up0", vlan_id=77, mtu=1450,
    vxlan_mode="evpn",
)  # fmt: skip
PATIENT = 30.0
BGP = """\
router bgp 65001
 bgp router-id 192.0.2.{number}
 no bgp default ipv4-unicast
{neighbours}
 address-family l2vpn evpn
{active}
  advertise-all-vni
 exit-address-family
"""
"""What docs/network.md says: each host is told of the others, and tells of all its VNIs."""


@contextlib.contextmanager
def routed(host: Namespace, number: int, others: tuple[int, ...]) -> Iterator[None]:
    """FRR's zebra and bgpd in the namespace, ended with it; as their own user, who sees no directories of the tests."""
    with tempfile.TemporaryDirectory(prefix="nbfrr") as directory:
        shutil.chown(directory, "frr", "frr")
        with _daemons(host, number, others, Path(directory)):
            yield


@contextlib.contextmanager
def _daemons(host: Namespace, number: int, others: tuple[int, ...], place: Path) -> Iterator[None]:
    names = [f"192.0.2.{other}" for other in others]
    neighbours = "\n".join(f" neighbor {name} remote-as 65001\n neighbor {name} timers connect 1" for name in names)
    active = "\n".join(f"  neighbor {name} activate" for name in names)
    (place / "zebra.conf").write_text("")
    (place / "bgpd.conf").write_text(BGP.format(number=number, neighbours=neighbours, active=active))
    common = ["-z", str(place / "zebra.sock"), "--vty_socket", str(place), "-P", "0"]
    with contextlib.ExitStack() as stack:
        for daemon, more in (("zebra", []), ("bgpd", ["-l", f"192.0.2.{number}"])):
            argv = [
                f"/usr/lib/frr/{daemon}",
                *common,
                "-f",
                str(place / f"{daemon}.conf"),
                "-i",
                str(place / f"{daemon}.pid"),
                *more,
            ]
            log = stack.enter_context((place / f"{daemon}.log").open("wb"))
            process = subprocess.Popen(
                ["ip", "netns", "exec", host.name, *argv, "--log", "stdout"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            until = time.monotonic() + PATIENT
            while daemon == "zebra" and not (place / "zebra.sock").exists():
                assert process.poll() is None, (place / "zebra.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
        yield


def test_guests_find_each_other_by_what_bgp_says_and_go_on_after_a_move(tmp_path: Path) -> None:
    driver = VxlanNetwork()
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(contextlib.contextmanager(make)()) for _ in range(2)]
        cable(hosts[0], "up0", hosts[1], "up0")
        for number, host in enumerate(hosts, 1):
            host.sh(f"ip address add 192.0.2.{number}/24 dev up0")
            driver.prepare(handle(host, tmp_path), WIRE)
        first, second = (
            stack.enter_context(contextlib.contextmanager(guest)(host, WIRE, number)) for number, host in enumerate(hosts, 1)
        )
        for each in (first, second):
            each.inside.sh("ip link set eth0 mtu 1450")
        with second.serving(53):
            assert first.asks(second, 53) == 0
            for number, host in enumerate(hosts, 1):
                stack.enter_context(routed(host, number, (3 - number,)))
            assert first.asks(second, 53, times=15, patience=2.0) >= 1
            assert first.asks(second, 53, patience=PATIENT, size=1422) == 1
            assert first.asks(second, 53, size=1423) == 0
        # The second comes to the first host, and says so as QEMU does after a migration; a third one is left over there.
        second.inside.sh("ip link set eth0 down")
        third = stack.enter_context(contextlib.contextmanager(guest)(hosts[1], WIRE, 3))
        moved = stack.enter_context(contextlib.contextmanager(guest)(hosts[0], WIRE, 2, first=10))
        moved = msgspec.structs.replace(moved, nic=msgspec.structs.replace(moved.nic, mac=second.nic.mac))
        mac = bytes.fromhex(moved.nic.mac.replace(":", ""))
        moved.sends(b"\xff" * 6 + mac + bytes.fromhex("80350001080006040003") + mac + bytes(4) + mac + bytes(4))
        with moved.serving(53):
            assert first.asks(moved, 53, times=5, patience=2.0) >= 1
            assert third.asks(moved, 53, times=15, patience=2.0) >= 1
