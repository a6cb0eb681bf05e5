"""Images that are LUNs: one image a LUN, and what their datastore is asked in vain; copies from one datastore to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.local.guard import seen_by
from nebula.engine.machines.machine import machine_of
from nebula.engine.people import Person
from nebula.errors import ConflictError, DeniedError, NebulaError, UsageError
from tests.support.sim import CALL, DRY, Sim, sim_engine

LUN = "iqn.2026-01.org.example:san/1"
SETTINGS = {"ISCSI_HOST": "10.0.0.9", "ISCSI_USER": "nebula", "ISCSI_PASSWORD": "correct-horse"}


@pytest.fixture
def san(tmp_path: Path) -> Iterator[Sim]:
    with sim_engine(tmp_path) as sim:
        sim.engine.datastores.create({"name": "san", "driver": "iscsi_libvirt", "settings": SETTINGS}, CALL)
        yield sim


def test_a_datastore_of_luns_says_so_and_hides_the_password(san: Sim) -> None:
    shown = san.engine.datastores.show("san").body
    assert shown["can"]["images are LUNs that exist already"]
    assert "correct-horse" not in str(shown)


def test_a_lun_is_one_image_and_persistent(san: Sim) -> None:
    san.engine.images.create({"name": "disk", "source": LUN.upper().replace("IQN", "iqn")}, CALL)
    made = san.image("disk")
    assert (made.persistent, made.format, made.body["lun"]) == (1, "raw", LUN)
    with pytest.raises(ConflictError, match="is image disk"):
        san.engine.images.create({"name": "again", "source": LUN}, DRY)
    with pytest.raises(ConflictError, match="no VM gets a copy of its own"):
        san.engine.images.persistent("disk", False, CALL)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"datastore": "san", "size": 1 << 30}, "none is named"),
        ({"source": LUN, "size": 1 << 30}, "as large as it is"),
        ({"source": LUN, "type": "cdrom"}, "no image of type cdrom"),
        ({"source": LUN, "format": "qcow2"}, "is raw"),
        ({"source": "/dev/sdb"}, "names no LUN"),
        ({"datastore": "disks", "source": LUN}, "cannot be an image"),
    ],
)
def test_what_makes_no_sense_is_refused(san: Sim, spec: dict[str, object], words: str) -> None:
    with pytest.raises(NebulaError, match=words):
        san.engine.images.create({"name": "x", **spec}, CALL)


def test_only_administrators_make_a_lun_an_image(san: Sim) -> None:
    person = seen_by(san.engine, Person(name="ann", groups=frozenset({"staff"})))
    with pytest.raises(DeniedError, match="LUN"):
        person.images.create({"name": "x", "source": LUN}, CALL)


def test_what_is_made_goes_elsewhere(san: Sim) -> None:
    san.engine.images.create({"name": "disk", "source": LUN}, CALL)
    san.settle()
    with pytest.raises(ConflictError, match="no LUN is cloned"):
        san.engine.images.clone("disk", "copy", CALL)
    with pytest.raises(UsageError, match="none is named"):
        san.engine.images.clone("base", "copy", CALL, datastore="san")


def test_a_copy_comes_to_another_datastore_in_the_format_that_is_usual_there(san: Sim) -> None:
    san.engine.datastores.create({"name": "blocks", "driver": "sim", "settings": {"blocks": "true"}}, CALL)
    san.engine.images.clone("base", "raw", CALL, datastore="blocks")
    san.settle()
    san.engine.images.clone("raw", "back", CALL, datastore="disks")
    san.settle()
    found = [(image.state, image.format, image.size == san.image("base").size) for image in map(san.image, ("raw", "back"))]
    assert found == [(1, "raw", True), (1, "qcow2", True)]
    vm = san.add_vm("one", DISK=[{"IMAGE": "back"}])
    assert machine_of(vm).disks[0].format == "qcow2"
    assert san.world.audit.violations() == []
