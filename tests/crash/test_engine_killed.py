"""The engine is killed (SIGKILL) before and after everything that each kind of job changes on a host; the next one ends the
job, and nothing is lost, leaked or doubled."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.crash.world import assert_sound, deed, do, do_and_die, furnish


class Case(NamedTuple):
    """A verb: what must be so before, what is done, the changing operations on the way, the states it may end in."""

    before: tuple[str, ...]
    verb: str
    operations: tuple[str, ...]
    ends: tuple[str, ...]
    shared: bool = False


_START = ("network.prepare", "datastore.write_context", "hypervisor.start", "network.plugged")
_CLEAR = ("hypervisor.destroy", "hypervisor.undefine", "network.unplugged", "network.release", "datastore.remove_vm")
CASES = {
    "deploy": Case((), "create", ("datastore.create_disk", *_START), ("RUNNING",)),
    "poweroff": Case(("create",), "poweroff", ("hypervisor.shutdown", "network.unplugged", "network.release"), ("POWEROFF",)),
    "poweroff hard": Case(("create",), "poweroff_hard", ("hypervisor.destroy",), ("POWEROFF",)),
    "resume": Case(("create", "poweroff"), "resume", _START, ("RUNNING",)),
    "reboot": Case(("create",), "reboot", ("hypervisor.reboot",), ("RUNNING",)),
    "live migration, copied": Case(
        ("create",),
        "migrate_live",
        ("datastore.copy_image", "datastore.prepare_incoming", "network.prepare", "hypervisor.migrate", "datastore.remove_vm"),
        ("RUNNING",),
    ),
    "live migration, shared": Case(
        ("create",), "migrate_live", ("hypervisor.migrate", "network.unplugged"), ("RUNNING",), True
    ),
    "cold migration": Case(
        ("create",), "migrate", ("hypervisor.shutdown", "datastore.move_vm", *_START[1:], *_CLEAR[1:]), ("RUNNING",)
    ),
    "migration while off": Case(("create", "poweroff"), "migrate", ("datastore.move_vm", "datastore.remove_vm"), ("POWEROFF",)),
    "terminate": Case(("create",), "terminate", ("hypervisor.shutdown", *_CLEAR), ()),
    "terminate hard": Case(("create",), "terminate_hard", _CLEAR, ()),
    "terminate while off": Case(("create", "poweroff"), "terminate", _CLEAR, ()),
    "delete": Case(("create",), "delete", _CLEAR, ()),
    "recreate": Case(("create",), "recreate", _CLEAR, ("RUNNING",)),
    "evacuate": Case(("create",), "evacuate", ("hypervisor.migrate",), ("RUNNING",)),
    "image": Case((), "image", ("transport.upload", "datastore.take_in"), ()),
    "image removed": Case((), "image_remove", ("datastore.remove_image",), ()),
    "host": Case((), "host_add", (), ()),
}


def _prepared(case: Case, home: Path) -> None:
    furnish(home, shared=case.shared)
    for verb in case.before:
        do(home, deed(verb, home))


POINTS = [
    pytest.param(name, operation, when, id=f"{name} {when} {operation}")
    for name, case in CASES.items()
    for operation in dict.fromkeys(case.operations)
    for when in ("before", "after")
]


@pytest.mark.parametrize(("name", "operation", "when"), POINTS)
def test_killed_at_every_change(tmp_path: Path, name: str, operation: str, when: Literal["before", "after"]) -> None:
    case = CASES[name]
    _prepared(case, tmp_path)
    world = SimWorld(tmp_path / "sim.db")
    world.faults.kill("*", operation, when)
    world.close()
    status = do_and_die(tmp_path, deed(case.verb, tmp_path))
    assert status == -signal.SIGKILL, f"{operation} is no part of {name}: take it out of the table"
    states = assert_sound(tmp_path)
    assert tuple(states.values()) == case.ends
