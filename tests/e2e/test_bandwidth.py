"""What a card's limit does to real traffic. The tests' machines lack some of what libvirt orders; see `limiting`."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import create
from tests.lab.handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CAP = 16
"""KiB/s."""
AMOUNT = 128 << 10
TC = """#!/bin/sh
# For a kernel without sfq, which shares a limit among flows, and without fw, which marks choose one by. HTB is what limits.
case " $* " in *" sfq "* | *" fw "*) exit 0 ;; esac
exec /sbin/tc "$@"
"""


@pytest.fixture
def limiting(lab: LabHandle) -> Iterator[LabHandle]:
    """h1's libvirt gets its HTB, and no error for what the kernel does not have."""
    lab.exec("h1", "sh", "-c", 'echo "$1" >/usr/local/bin/tc && chmod 755 /usr/local/bin/tc', "sh", TC)
    yield lab
    lab.exec("h1", "rm", "/usr/local/bin/tc")


def kib_a_second(address: str) -> float:
    """How fast a guest takes what it is sent."""
    begun = time.monotonic()
    with urllib.request.urlopen(f"http://{address}/cgi-bin/bulk", data=bytes(AMOUNT), timeout=120) as answer:
        assert int(answer.read()) == AMOUNT
    return (AMOUNT >> 10) / (time.monotonic() - begun)


def test_what_a_card_may_be_sent_is_limited_while_it_runs(cluster: Program, limiting: LabHandle) -> None:
    address = create(cluster, "web", "own", "--host", "h1")
    free = kib_a_second(address)
    cluster.out("vm", "nic-update", "web", "0", "--set", f"INBOUND_AVG_BW={CAP}")
    tap = f"one-{cluster.vm('web')['id']}-0"
    assert f"rate {CAP * 8}Kbit" in limiting.exec("h1", "tc", "class", "show", "dev", tap)
    capped = kib_a_second(address)
    cluster.out("vm", "nic-update", "web", "0", "--set", "INBOUND_AVG_BW=")
    assert "htb" not in limiting.exec("h1", "tc", "qdisc", "show", "dev", tap)
    freed = kib_a_second(address)
    assert capped <= 1.5 * CAP, (free, capped, freed)
    assert min(free, freed) > 2 * CAP, (free, capped, freed)
