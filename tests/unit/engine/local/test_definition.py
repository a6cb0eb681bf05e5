"""What a VM's domain is made of is changed while no guest knows it."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.errors import ConflictError, UsageError
from tests.support.sim import CALL, Sim

FEATURES = {"FEATURES": {"PAE": "YES"}}


def update(sim: Sim, **changes: Any) -> None:
    sim.engine.vms.update("one", changes, CALL)
    sim.settle()


def definition(sim: Sim) -> dict[str, Any]:
    """The VM's template."""
    found: dict[str, Any] = sim.vm("one").body["template"]
    return found


def test_a_vm_that_is_off_is_started_with_what_was_changed(sim: Sim) -> None:
    sim.add_vm("one", OS={"BOOT": "disk0"})
    with pytest.raises(ConflictError, match=r"OS of VM one .* RUNNING"):
        update(sim, OS={"BOOT": "nic0"})
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    update(sim, OS={"BOOT": "nic0"}, VIDEO={"TYPE": "vga"})
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    spec = sim.world.domains.require(sim.where("one"), sim.vm("one").uuid).spec
    assert spec is not None
    assert ([disk.boot_order for disk in spec.disks if disk.device == "disk"], spec.interfaces[0].boot_order) == ([0], 1)
    assert sim.state("one") == "RUNNING"
    assert definition(sim)["OS"] == {"BOOT": "nic0"}
    update(sim, DESCRIPTION="one of two")
    sim.assert_sound()


@pytest.mark.parametrize("verb", ["suspend", "stop"])
def test_one_whose_memory_is_kept_goes_on_as_it_was(sim: Sim, verb: str) -> None:
    sim.add_vm("one")
    getattr(sim.engine.vms, verb)("one", CALL)
    sim.settle()
    with pytest.raises(ConflictError, match="FEATURES"):
        update(sim, **FEATURES)
    update(sim, DESCRIPTION="sleeps")
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"


def test_what_is_in_its_disks_and_its_row_stays(sim: Sim) -> None:
    sim.add_vm("one", hold=True)
    for key, value in (("UUID", "11111111-2222-4333-8444-555555555555"), ("SD_DISK_BUS", "sata")):
        with pytest.raises(UsageError, match=key):
            update(sim, OS={key: value})
    for name in ("NIC", "DISK", "TOPOLOGY"):
        with pytest.raises(UsageError, match=name):
            update(sim, **{name: {} if name == "TOPOLOGY" else []})


def test_a_console_keeps_its_password_unless_it_gets_another(sim: Sim) -> None:
    sim.add_vm("one", hold=True, GRAPHICS={"TYPE": "vnc", "RANDOM_PASSWD": "YES"})
    first = definition(sim)["GRAPHICS"]["PASSWD"]
    update(sim, GRAPHICS={"TYPE": "spice"})
    assert definition(sim)["GRAPHICS"] == {"TYPE": "spice", "PASSWD": first}
    update(sim, GRAPHICS={"TYPE": "vnc", "PASSWD": "other"})
    assert definition(sim)["GRAPHICS"]["PASSWD"] == "other"
    update(sim, GRAPHICS={})
    assert "GRAPHICS" not in definition(sim)
    update(sim, GRAPHICS={"TYPE": "vnc", "RANDOM_PASSWD": "YES"})
    assert len(definition(sim)["GRAPHICS"]["PASSWD"]) == 8
