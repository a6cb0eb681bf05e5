"""The host's addresses move under the very ssh connection that orders it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.drivers.network.namespaces import Namespace

ENGINE = """
import sys
from pathlib import Path

from nebula import timeouts
from nebula.clock import SystemClock
from nebula.drivers.base import HostHandle
from nebula.drivers.network.bridge import BridgeNetwork
from nebula.errors import NebulaError, UnreachableError
from nebula.model.network import NetworkSpec
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport

root, seconds = Path(sys.argv[1]), float(sys.argv[2])
timeouts.HOST_CONFIRMED = seconds
loop = TunnelLoop()
loop.start()
key = (root / "host.pub").read_text()
transport = SshTransport(
    name="h1", address="192.0.2.2", user="root", port=2022, key_path=root / "client", known_host=" ".join(key.split()[:2]),
    loop=loop, clock=SystemClock(),
)
host = HostHandle(
    host_id=1, name="h1", address="192.0.2.2", user="root", port=2022, virt="qemu", root=str(root / "host.d"),
    transport=transport,
)
lan = NetworkSpec(
    network_id=7, name="lan", driver="bridge", bridge="onebr7", owned=True, physical_device="up0", move_addresses=True
)
driver = BridgeNetwork()


def where(tries=3):
    try:
        return transport.run(["ip", "-br", "-4", "address", "show", "to", "192.0.2.2"]).text.split("@")[0].split()[0]
    except UnreachableError:  # a connection that was begun while the host was cut off asks more and more seldom
        if tries == 1:
            raise
        transport.retry_now()
        return where(tries - 1)


try:
    driver.prepare(host, lan)
    print("moved to", where(), flush=True)
    driver.move_back(host, lan)
    driver.release(host, lan)
except NebulaError as error:
    transport.retry_now()
    print(error.code, flush=True)
print("at last on", where(), flush=True)
transport.close()
loop.stop()
"""


@pytest.fixture
def reachable(host: Namespace, outside: Namespace, root: Path) -> Iterator[Path]:
    """An sshd on the host; the directory with what one needs to reach it from outside."""
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)], check=True)
    (root / "config").write_text(
        f"Port 2022\nHostKey {root}/host\nAuthorizedKeysFile {root}/client.pub\nStrictModes no\nUsePAM no\nPidFile none\n"
        "PermitRootLogin yes\nUseDNS no\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    argv = ["ip", "netns", "exec", host.name, "/usr/sbin/sshd", "-D", "-f", str(root / "config")]
    server = subprocess.Popen(argv)
    yield root
    server.kill()
    server.wait()


def engine(outside: Namespace, root: Path, seconds: float) -> list[str]:
    (root / "host.d").mkdir()
    argv = ["ip", "netns", "exec", outside.name, sys.executable, "-c", ENGINE, str(root), str(seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def test_ssh_comes_back_through_the_bridge(outside: Namespace, reachable: Path) -> None:
    assert engine(outside, reachable, 20) == ["moved to onebr7", "at last on up0"]


def test_a_firewall_that_names_the_device_has_the_host_back(host: Namespace, outside: Namespace, reachable: Path) -> None:
    """What comes through the bridge is dropped: old connections and new ones."""
    host.sh("nft add table inet firewall")
    host.sh("nft add chain inet firewall in { type filter hook input priority 0 ; policy drop ; }")
    host.sh("nft add rule inet firewall in iifname { lo, up0 } accept")
    assert engine(outside, reachable, 5) == ["conflict", "at last on up0"]
