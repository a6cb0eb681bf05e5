"""Of two looks at a host the later one counts, whichever is written first."""

from __future__ import annotations

from nebula.engine.monitor.hardware import take_up
from nebula.engine.store.rows import HardwareRow
from nebula.model.host import HostHardware, HostSample, PciDevice
from tests.support.sim import Sim


def test_an_older_look_changes_nothing(sim: Sim) -> None:
    device = PciDevice(address="0000:30:00.0", vendor="10de", device="1db6", class_="0302")
    later = sim.rows(HardwareRow, '"host_id"=?', (sim.host("h1").id,))[0].seen + 1e6
    take_up(sim.engine.services, sim.host("h1"), HostSample(taken=later, hardware=HostHardware(devices=(device,))))
    take_up(sim.engine.services, sim.host("h1"), HostSample(taken=later - 1, hardware=HostHardware()))
    take_up(sim.engine.services, sim.host("h1"), HostSample(taken=later + 1))
    (row,) = sim.rows(HardwareRow, '"host_id"=?', (sim.host("h1").id,))
    assert (row.seen, len(row.body["devices"])) == (later, 1)
