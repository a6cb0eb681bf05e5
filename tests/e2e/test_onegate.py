"""A real guest reports to the daemon that it is ready, with the token on its context CD."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]
SMALL = ("--image", "own", "--memory", "128M", "--cpu", "0.1", "--network", "lan", "--context", "REPORT_READY=YES")


def test_a_guest_says_that_it_is_ready_and_is_asked_again_after_its_next_boot(cluster: Program, lab: LabHandle) -> None:
    gateway = str(lab.status()["guest_gateway"])
    with socket.socket() as found:
        found.bind((gateway, 0))
        listen = f"{gateway}:{found.getsockname()[1]}"
    cluster.out("daemon", "onegate", "--listen", listen)
    try:
        cluster.out("vm", "create", "one", *SMALL)
        cluster.out("vm", "wait", "one", "READY", "--timeout", "3m")
        assert cluster.vm("one")["ready"]
        cluster.out("vm", "poweroff", "one", "--hard")
        cluster.out("vm", "resume", "one")
        assert not cluster.vm("one")["ready"]
        cluster.out("vm", "wait", "one", "READY", "--timeout", "3m")
    finally:
        cluster.out("daemon", "onegate", "--off")
