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
NOTHING = ("OUTBOUND_AVG_BW=", "OUTBOUND_PEAK_BW=", "OUTBOUND_PEAK_KB=")
TC = r"""#!/bin/sh
# For a kernel without sfq, which shares a limit among flows, and without fw, which marks choose one by. HTB is what limits.
# What a card sends is policed; for a kernel that cannot, nftables drops by the same rate and burst at the same place.
word() { printf '%s\n' "$line" | sed -n "s/.* $1 \([^ ]*\) .*/\1/p"; }
line=" $* "
case "$line" in
*" sfq "* | *" fw "*) exit 0 ;;
*" police "*)
    rate=$(word rate) burst=$(word burst)
    nft -f - <<END
table netdev policed-$(word dev) {
    chain in {
        type filter hook ingress device "$(word dev)" priority 0
        limit rate over ${rate%kbps} kbytes/second burst ${burst%kb} kbytes drop
    }
}
END
    exit ;;
*" qdisc del "*" ingress "*) nft delete table netdev "policed-$(word dev)" 2>/dev/null ;;
esac
exec /sbin/tc "$@"
"""


@pytest.fixture
def limiting(lab: LabHandle) -> Iterator[LabHandle]:
    """h1's libvirt gets its HTB, and no error for what the kernel does not have."""
    lab.exec("h1", "sh", "-c", 'printf %s "$1" >/usr/local/bin/tc && chmod 755 /usr/local/bin/tc', "sh", TC)
    yield lab
    lab.exec("h1", "rm", "/usr/local/bin/tc")


def kib_a_second(address: str) -> float:
    """How fast a guest takes what it is sent."""
    begun = time.monotonic()
    with urllib.request.urlopen(f"http://{address}/cgi-bin/bulk", data=bytes(AMOUNT), timeout=120) as answer:
        assert int(answer.read()) == AMOUNT
    return (AMOUNT >> 10) / (time.monotonic() - begun)


def sent_kib_a_second(address: str, kib: int = AMOUNT >> 10) -> float:
    """How fast a guest sends what it is asked for."""
    begun = time.monotonic()
    with urllib.request.urlopen(f"http://{address}/cgi-bin/bulk?{kib}", timeout=240) as answer:
        assert len(answer.read()) == kib << 10
    return kib / (time.monotonic() - begun)


def policed(lab: LabHandle) -> str:
    """What limits cards of h1 in what they send."""
    return lab.exec("h1", "nft", "list", "ruleset", "netdev")


def test_what_a_card_may_send_and_be_sent_is_limited_while_it_runs(cluster: Program, limiting: LabHandle) -> None:
    address = create(cluster, "web", "own", "--host", "h1")
    limit_what_it_sends(cluster, limiting, address)
    limit_what_it_is_sent(cluster, limiting, address)


def limit_what_it_sends(cluster: Program, limiting: LabHandle, address: str) -> None:
    """At once as much as may come at once, then on average as told; the average alone says how much that is without it."""
    free = sent_kib_a_second(address)
    cluster.out("vm", "nic-update", "web", "0", "--set", f"OUTBOUND_AVG_BW={CAP}")
    assert f"over {CAP} kbytes/second burst {CAP} kbytes" in policed(limiting)
    capped = sent_kib_a_second(address)
    burst = ("OUTBOUND_PEAK_KB=512", f"OUTBOUND_PEAK_BW={4 * CAP}")
    cluster.out("vm", "nic-update", "web", "0", *(word for one in burst for word in ("--set", one)))
    assert f"over {CAP} kbytes/second burst 512 kbytes" in policed(limiting), "a peak is of no consequence here"
    at_once = sent_kib_a_second(address)
    cluster.out("vm", "nic-update", "web", "0", *(word for one in NOTHING for word in ("--set", one)))
    assert "limit" not in policed(limiting)
    freed = sent_kib_a_second(address)
    assert capped <= 1.5 * CAP, (free, capped, at_once, freed)
    assert min(free, at_once, freed) > 2 * CAP, (free, capped, at_once, freed)


def limit_what_it_is_sent(cluster: Program, limiting: LabHandle, address: str) -> None:
    """As told on average, and up to its peak at once."""
    free = kib_a_second(address)
    cluster.out("vm", "nic-update", "web", "0", "--set", f"INBOUND_AVG_BW={CAP}")
    tap = f"one-{cluster.vm('web')['id']}-0"
    assert f"rate {CAP * 8}Kbit" in limiting.exec("h1", "tc", "class", "show", "dev", tap)
    capped = kib_a_second(address)
    more = (f"INBOUND_PEAK_BW={8 * CAP}", "INBOUND_PEAK_KB=512")
    cluster.out("vm", "nic-update", "web", "0", *(word for one in more for word in ("--set", one)))
    assert f"rate {CAP * 8}Kbit ceil {8 * CAP * 8}Kbit" in limiting.exec("h1", "tc", "class", "show", "dev", tap)
    at_once = kib_a_second(address)
    nothing = ("INBOUND_AVG_BW=", "INBOUND_PEAK_BW=", "INBOUND_PEAK_KB=")
    cluster.out("vm", "nic-update", "web", "0", *(word for one in nothing for word in ("--set", one)))
    assert "htb" not in limiting.exec("h1", "tc", "qdisc", "show", "dev", tap)
    freed = kib_a_second(address)
    assert capped <= 1.5 * CAP, (free, capped, at_once, freed)
    assert min(free, at_once, freed) > 2 * CAP, (free, capped, at_once, freed)
    assert at_once <= 1.5 * 8 * CAP, (free, capped, at_once, freed)
