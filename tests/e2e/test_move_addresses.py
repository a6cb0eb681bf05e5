"""A host whose only way is its uplink: its own address moves onto a bridge that guests share, and it is never lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.program import Program, add_hosts
from tests.lab.handle import LabHandle, MakeLab, eventually, guest_facts
from tests.support.sim import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

MOVES = "/var/lib/nebula/moves"


def devices(lab: LabHandle) -> dict[str, list[str]]:
    """The host's devices but for loopback, each with its IPv4 addresses."""
    found = json.loads(lab.exec("h1", "ip", "-j", "-4", "address", "show")) + json.loads(
        lab.exec("h1", "ip", "-j", "link", "show")
    )
    names = {one["ifname"]: list[str]() for one in found if one and one["ifname"] != "lo"}
    for one in found:
        for item in one.get("addr_info", ()):
            names.setdefault(one["ifname"], []).append(item["local"])
    return {name: items for name, items in names.items() if name != "lo"}


@contextmanager
def firewall(lab: LabHandle) -> Iterator[None]:
    """The host takes in what comes through its device, by name: nothing once that is a bridge's port."""
    rules = (
        "add table inet firewall",
        "add chain inet firewall in { type filter hook input priority 0 ; policy drop ; }",
        "add rule inet firewall in iifname { lo, eth0 } accept",
    )
    for rule in rules:
        lab.exec("h1", "nft", *rule.split())
    yield
    lab.exec("h1", "nft", "delete", "table", "inet", "firewall")


def test_a_host_moves_onto_its_guests_bridge_or_is_itself_again(
    make_lab: MakeLab, guest_image: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lab = make_lab(1)
    program = Program(tmp_path / "home")
    request.addfinalizer(program.stop_daemon)
    add_hosts(program, lab, "h1")
    program.out("image", "create", "own", "--path", str(guest_image))
    own = lab.host("h1")["address"]
    guest = f"{own.rpartition('.')[0]}.200"
    program.start_daemon()
    network = ("--physical-device", "eth0", "--range", f"{guest}+5", "--prefix", "24")
    vm = ("--image", "own", "--memory", "128M", "--host", "h1")
    before = devices(lab)
    assert before["eth0"] == [own]

    program.out("network", "create", "strict", *network)
    refused = program.run("network", "check", "strict")
    assert "--move-addresses" in refused.stdout + refused.stderr
    program.out("network", "remove", "strict")

    program.out("network", "create", "lan", *network, "--move-addresses")
    assert "moves from eth0 onto" in program.out("network", "check", "lan")
    with firewall(lab):
        failed = program.run("vm", "create", "early", "--network", "lan", *vm)
    assert failed.returncode != 0
    assert "did not answer" in failed.stdout + failed.stderr
    assert devices(lab) == before
    assert lab.ssh("h1", "true").returncode == 0
    assert lab.exec("h1", "sh", "-c", f"ls {MOVES} 2>/dev/null; pgrep -f 'nebula-time[r]'; true") == ""
    program.out("vm", "terminate", "early", "--hard")

    program.out("vm", "create", "web", "--network", "lan", *vm)
    address = str(program.vm("web")["addresses"][0])
    eventually(lambda: guest_facts(address).get("hostname") == "web", "the guest on the host's own wire", seconds=240)
    bridge = str(program.json("network", "show", "lan", "-f", "json")["bridge"])
    assert (devices(lab)["eth0"], devices(lab)[bridge]) == ([], [own])
    assert lab.ssh("h1", "true").returncode == 0

    program.out("vm", "terminate", "web", "--hard")
    assert devices(lab)[bridge] == [own]
    program.out("network", "remove", "lan")
    assert devices(lab) == before
    _quiet(lambda: lab.exec("h1", "sh", "-c", f"ls {MOVES} 2>/dev/null; true") == "")
    assert lab.ssh("h1", "true").returncode == 0


def _quiet(met: Callable[[], bool]) -> None:
    until(met, "the end of the timer", 30)
