"""The bundle for a bug report holds what helps and no secret."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from nebula.engine.secrets import hide
from nebula.engine.store.rows import ALL
from nebula.errors import ConflictError, NebulaError
from tests.support.sim import CALL, Sim, template

SECRET = "hunter2-s3cr3t"
SECRETS = {
    "PASSWORD": SECRET,
    "ROOT_PASSWORD": SECRET,
    "CRYPTED_PASSWORD": SECRET,
    "ONEGATE_TOKEN": SECRET,
    "API_KEY": SECRET,
    "AWS_ACCESS_KEY": SECRET,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "SSH_PRIVATE_KEY": SECRET,
    "PASSPHRASE": SECRET,
    "START_SCRIPT": f"curl -H {SECRET}",
    "USER_DATA": f"password: {SECRET}",
    "SSH_PUBLIC_KEY": f"ssh-ed25519 {SECRET} me",
}


def bundled(path: Path) -> dict[str, Any]:
    with tarfile.open(path) as archive:
        files = [(item.name, archive.extractfile(item)) for item in archive.getmembers()]
        return {name: json.loads(file.read()) for name, file in files if file is not None}


def test_no_secret_is_in_the_bundle(sim: Sim) -> None:
    sim.engine.vms.create(
        template("one", CONTEXT=SECRETS, GRAPHICS={"TYPE": "SPICE", "PASSWD": SECRET}, BMC_PASSWORD=SECRET), CALL
    )
    sim.engine.vms.update("one", {"DB_TOKEN": SECRET, "NESTED": [{"PASSWORD": SECRET}, [{"TOKEN": SECRET}]]}, CALL)
    sim.engine.hosts.update("h1", {"attributes": {"BMC_PASSWORD": SECRET}}, CALL)
    job = sim.engine.images.create({"name": "remote", "url": f"http://user:{SECRET}@127.0.0.1:9/image"}, CALL).job_id
    sim.engine.jobs.cancel(job, CALL)
    sim.settle()
    assert sim.job(job).state == "cancelled"
    path = Path(sim.engine.system.support(str(sim.home / "bundle.tar.gz")))
    found = bundled(path)
    for name, content in found.items():
        assert SECRET not in json.dumps(content), name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_bundle_holds_what_helps(sim: Sim) -> None:
    sim.add_vm("one")
    found = bundled(Path(sim.engine.system.support(str(sim.home / "bundle.tar.gz"))))
    assert set(found) == {
        f"nebula-support/{name}.json" for name in ("status", "machine", "check", *(kind._table for kind in ALL))
    }
    assert [row["name"] for row in found["nebula-support/host.json"]] == ["h1", "h2", "h3"]
    assert found["nebula-support/vm.json"][0]["body"]["template"]["MEMORY"] == 128
    assert found["nebula-support/request.json"] == []


def test_what_cannot_be_read_has_why_in_its_place(sim: Sim) -> None:
    sim.add_vm("one", hold=True)
    sim.engine.services.store.write(lambda tx: tx.execute('DROP TABLE "plan"'))
    sim.engine.services.store.write(lambda tx: tx.execute('UPDATE "vm" SET "memory"=\'much\''))
    found = bundled(Path(sim.engine.system.support(str(sim.home / "bundle.tar.gz"))))
    assert "no such table" in found["nebula-support/plan.json"]["error"]
    assert "Expected `int`" in found["nebula-support/vm.json"]["error"]
    assert found["nebula-support/check.json"]
    assert len(found["nebula-support/host.json"]) == 3


def test_a_file_that_is_there_stays(sim: Sim) -> None:
    target = sim.home / "kept"
    target.write_text("mine")
    with pytest.raises(ConflictError):
        sim.engine.system.support(str(target))
    assert target.read_text() == "mine"
    with pytest.raises(NebulaError):
        sim.engine.system.support(str(sim.home / "nowhere" / "bundle"))


def test_what_is_shown_of_a_vm_hides_secrets_too(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT=SECRETS, hold=True)
    shown = sim.engine.vms.show("one").body["template"]["CONTEXT"]
    assert shown["PASSWORD"] == shown["API_KEY"] == "(hidden)"
    assert shown["SSH_PUBLIC_KEY"] == SECRETS["SSH_PUBLIC_KEY"]
    assert hide({"PASSWORD": ""}) == {"PASSWORD": ""}
