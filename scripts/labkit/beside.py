"""A place beside a lab's hosts for what they share: namespaces of its own on the management network.

Ending their first process ends all that runs in them.
"""

from __future__ import annotations

import subprocess

from . import network, proc
from .run import run
from .spec import Lab


def start(lab: Lab, what: str, link: str, host_byte: int) -> proc.Process:
    """The first process of new namespaces, whose `eth0` has the address 10.77.N.`host_byte` by the cable `link`."""
    argv = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sleep", "infinity"]
    nowhere = subprocess.DEVNULL  # whoever reads what we print waits for none that outlives us
    runner = subprocess.Popen(argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, cwd="/", start_new_session=True)
    known = proc.process(runner.pid)
    proc.wait_until(lambda: proc.only_child(known) is not None, seconds=20, what=f"the namespaces of {what}")
    found = proc.only_child(known)
    if found is None:
        raise RuntimeError("a first process that was there is gone")
    network.cable(lab, link, mac=f"02:4c:4e:{lab.number:02x}:02:{host_byte:02x}", pid=found.pid)
    for line in ("link set lo up", f"addr add {address(lab, host_byte)}/24 dev eth0", "link set eth0 up"):
        run(["nsenter", "-t", str(found.pid), "-n", "--", "ip", *line.split()])
    return found


def address(lab: Lab, host_byte: int) -> str:
    """The address of such a place."""
    return f"10.77.{lab.number}.{host_byte}"
