"""OneGate in the engine: who has a token, what a guest said, and until when."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from nebula.engine.api.tables import Query
from nebula.engine.onegate import MAX_REPORTED
from nebula.engine.store import schema
from nebula.engine.store.database import parse_url
from nebula.errors import CapacityError, DeniedError, UsageError
from tests.support.contextcd import cd_of, files_of
from tests.support.sim import CALL, Sim

LISTEN = "127.0.0.1:1"


@pytest.fixture
def gate(sim: Sim) -> Sim:
    """A cluster whose guests report."""
    sim.engine.onegate.set(LISTEN, CALL)
    return sim


def on_cd(sim: Sim, name: str) -> tuple[str, str]:
    """(token.txt, context.sh)."""
    script, secret = files_of(cd_of(sim.world, sim.where(name), sim.vm(name).uuid))
    return secret, script


def token(sim: Sim, name: str) -> str:
    return str(sim.vm(name).body.get("token", ""))


def report(sim: Sim, name: str, **attributes: Any) -> None:
    sim.engine.onegate.report(sim.vm(name).id, token(sim, name), attributes, CALL)


def test_who_asks_has_a_token_of_its_own_on_its_cd(gate: Sim) -> None:
    for name, context in (("one", {"TOKEN": "YES"}), ("two", {"REPORT_READY": "YES"}), ("three", {"TOKEN": "NO"})):
        gate.add_vm(name, CONTEXT=context)
    assert len(token(gate, "one")) == 64
    assert token(gate, "one") != token(gate, "two")
    assert [on_cd(gate, name)[0] for name in ("one", "two", "three")] == [token(gate, "one"), token(gate, "two"), ""]
    told = on_cd(gate, "two")[1]
    assert "REPORT_READY='YES'" in told
    assert f"VMID='{gate.vm('two').id}'" in told
    assert f"ONEGATE_ENDPOINT='http://{LISTEN}'" in told
    assert token(gate, "two") not in told


def test_the_token_stays_as_long_as_it_is_asked_for(gate: Sim) -> None:
    gate.add_vm("one", CONTEXT={"TOKEN": "YES"})
    first = token(gate, "one")
    gate.engine.vms.poweroff("one", CALL, hard=True)
    gate.settle()
    gate.engine.vms.resume("one", CALL)
    gate.settle()
    gate.engine.vms.migrate("one", "", CALL, live=True)
    gate.settle()
    assert on_cd(gate, "one")[0] == first
    gate.engine.vms.update("one", {"CONTEXT": {"COLOUR": "red"}}, CALL)
    gate.settle()
    assert on_cd(gate, "one")[0] == first
    gate.engine.vms.update("one", {"CONTEXT": {"TOKEN": ""}}, CALL)
    gate.settle()
    assert (on_cd(gate, "one")[0], token(gate, "one")) == ("", "")
    with pytest.raises(DeniedError):
        gate.engine.onegate.vm(gate.vm("one").id, first)
    gate.engine.vms.update("one", {"CONTEXT": {"REPORT_READY": "YES"}}, CALL)
    gate.settle()
    assert token(gate, "one") not in {"", first}


def test_without_onegate_nobody_is_told_to_report(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"REPORT_READY": "YES"})
    assert on_cd(sim, "one")[0] == ""
    assert "REPORT_READY" not in on_cd(sim, "one")[1]
    assert "ready" not in sim.engine.vms.show("one").body
    sim.engine.onegate.set(LISTEN, CALL)
    sim.engine.vms.update("one", {"CONTEXT": {"COLOUR": "red"}}, CALL)
    sim.settle()
    assert on_cd(sim, "one")[0] == token(sim, "one")
    assert sim.engine.vms.show("one").body["ready"] is False


def test_the_token_is_shown_to_nobody_and_copied_to_no_other_vm(gate: Sim, tmp_path: Path) -> None:
    gate.add_vm("one", CONTEXT={"TOKEN": "YES"}, DISK=[{"IMAGE": "base", "FORMAT": "qcow2"}])
    secret = token(gate, "one")
    report(gate, "one", DB_PASSWORD="swordfish")
    engine, vms = gate.engine, gate.engine.vms
    vms.poweroff("one", CALL, hard=True)
    gate.settle()
    vms.clone("one", "other", CALL)
    gate.settle()
    assert token(gate, "other") not in {"", secret}
    assert vms.show("other").body.get("reported") is None
    listed = engine.vms.list(Query(filters=(("name", "=", "one"),)))
    seen = [vms.show("one"), vms.describe("one"), vms.log("one"), vms.history("one"), engine.events.list(), listed]
    seen += [engine.declarations.export(()), [engine.jobs.show(job) for job in range(1, 6)]]
    assert secret not in repr(seen)
    assert "swordfish" not in repr(seen)
    assert vms.show("one").body["reported"] == {"DB_PASSWORD": "(hidden)"}
    assert vms.show("one").body["template"]["CONTEXT"]["TOKEN"] == "YES"
    with tarfile.open(engine.system.support(str(tmp_path / "bundle.tar.gz"))) as archive:
        texts = [found.read() for member in archive.getmembers() if (found := archive.extractfile(member))]
    assert not any(word in text for text in texts for word in (secret.encode(), b"swordfish"))


def test_ready_is_said_once_a_start(gate: Sim) -> None:
    gate.add_vm("one", CONTEXT={"REPORT_READY": "YES"})
    report(gate, "one", READY="YES", ROLE="db")
    body = gate.engine.vms.show("one").body
    assert (body["ready"], body["reported"]) == (True, {"READY": "YES", "ROLE": "db"})
    gate.engine.vms.suspend("one", CALL)
    gate.settle()
    gate.engine.vms.resume("one", CALL)
    gate.settle()
    assert gate.engine.vms.show("one").body["ready"] is True, "it goes on where it was"
    for verb, given in (("poweroff", {"hard": True}), ("resume", {}), ("reboot", {"hard": True})):
        report(gate, "one", READY="YES")
        getattr(gate.engine.vms, verb)("one", CALL, **given)
        gate.settle()
        assert gate.engine.vms.show("one").body["ready"] is (verb == "poweroff"), verb
    assert gate.engine.vms.show("one").body["reported"] == {"ROLE": "db"}


def test_the_same_again_writes_nothing(gate: Sim) -> None:
    gate.add_vm("one", CONTEXT={"TOKEN": "YES"})
    report(gate, "one", A="1", B={"C": "2"})
    before = gate.everything()
    report(gate, "one", A="1", B={"C": "2"})
    report(gate, "one", NOTHING="")
    assert gate.everything() == before
    report(gate, "one", FIRST="x" * (MAX_REPORTED // 2))
    with pytest.raises(CapacityError):
        report(gate, "one", SECOND="x" * (MAX_REPORTED // 2))


@pytest.mark.parametrize("name", ["MEMORY", "CONTEXT", "DISK", "NIC_DEFAULT", "HOST", "CLUSTER_ID", "AUTOSTART", "SCHED_RANK"])
def test_what_a_vm_is_stays_with_those_who_manage_it(gate: Sim, name: str) -> None:
    gate.add_vm("one", CONTEXT={"TOKEN": "YES"})
    with pytest.raises(DeniedError):
        report(gate, "one", **{name: "1"})


@pytest.mark.parametrize(
    ("listen", "endpoint", "told"),
    [
        ("10.0.0.1:5030", "", "http://10.0.0.1:5030"),
        ("[fd00::1]:5030", "", "http://[fd00::1]:5030"),
        ("0.0.0.0:80", "https://gate.example.org/one/", "https://gate.example.org/one"),
    ],
)
def test_where_it_listens_and_what_guests_are_told(sim: Sim, listen: str, endpoint: str, told: str) -> None:
    sim.engine.onegate.set(listen, CALL, endpoint)
    found = sim.engine.onegate.show()
    assert (found.listen, found.endpoint, found.listening) == (listen, told, False)
    assert "no daemon runs" in found.problem
    sim.engine.onegate.set("", CALL)
    assert (sim.engine.onegate.show().endpoint, sim.engine.onegate.show().problem) == ("", "")


@pytest.mark.parametrize(
    ("listen", "endpoint"),
    [
        ("gate:5030", ""),
        ("10.0.0.1", ""),
        ("10.0.0.1:", ""),
        ("10.0.0.1:0", ""),
        ("10.0.0.1:65536", ""),
        ("10.0.0.1:-1", ""),
        ("fd00::1:5030", ""),
        ("[10.0.0.1]:5030", ""),
        ("0.0.0.0:5030", ""),
        ("[::]:5030", ""),
        ("", "http://10.0.0.1:5030"),
        ("10.0.0.1:5030", "ftp://10.0.0.1"),
        ("10.0.0.1:5030", "http://$(reboot)/"),
        ("10.0.0.1:5030", "http://user@gate/"),
        ("10.0.0.1:5030", "http://gate/?a=b"),
        ("10.0.0.1:5030", "http://gate:99999/"),
        ("10.0.0.1:5030", "http://[fd00/"),
        ("10.0.0.1:5030", "http://"),
        ("10.0.0.1:5030", "http://gate/" + "x" * 300),
    ],
)
def test_what_no_guest_could_use_is_refused(sim: Sim, listen: str, endpoint: str) -> None:
    with pytest.raises(UsageError):
        sim.engine.onegate.set(listen, CALL, endpoint)
    assert sim.engine.onegate.show().listen == ""


def test_older_vms_that_asked_get_theirs(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"TOKEN": "YES"})
    sim.add_vm("two")
    home = sim.engine.services.home
    sim.engine.close()
    with sqlite3.connect(home / "nebula.db") as database:
        for number, text in database.execute("SELECT id, body FROM vm").fetchall():
            older = {key: value for key, value in json.loads(text).items() if key != "token"}
            database.execute("UPDATE vm SET body=? WHERE id=?", (json.dumps(older), number))
        database.execute("UPDATE meta SET value=value-1 WHERE name='patch'")
    schema.prepare(parse_url("", home), put_aside=lambda: None)
    with sqlite3.connect(home / "nebula.db") as database:
        found = [json.loads(text).get("token", "") for (text,) in database.execute("SELECT body FROM vm ORDER BY id")]
    assert [len(value) for value in found] == [64, 0]
