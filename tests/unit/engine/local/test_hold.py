"""A VM asked to wait on hold does so, even if its image came only later."""

from __future__ import annotations

from tests.support.sim import CALL, Sim, template, until


def test_hold_is_remembered_while_the_image_is_brought(sim: Sim) -> None:
    sim.world.faults.set_latency("*", "transport.upload", 0.5)
    picture = sim.home / "late.raw"
    picture.write_bytes(bytes(1 << 20))
    spec = {"name": "late", "path": str(picture), "format": "raw", "datastore": "disks"}
    sim.engine.images.create(spec, CALL)
    sim.engine.vms.create({**template("held"), "DISK": [{"IMAGE": "late"}]}, CALL, hold=True)
    assert sim.engine.vms.show("held").body["state"] == "CLONING"
    until(lambda: sim.engine.vms.show("held").body["state"] != "CLONING", "the image")
    assert sim.engine.vms.show("held").body["state"] == "HOLD"
