"""nebula host import, vm adopt, vm disown: what is typed and what is said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest

from nebula.cli import entry
from nebula.cli.context import Connect, Context
from tests.unit.cli.conftest import Cli, InProcess
from tests.unit.cli.test_apply import Terminal


@pytest.fixture
def world(connect: InProcess) -> Any:
    """The simulated world behind the engine."""
    return cast("Any", connect.engine).services.transports.world()


def exists(world: Any, path: str) -> bool:
    return bool(world.db.all("SELECT 1 FROM files WHERE path=?", path))


def test_domains_are_listed_and_all_are_adopted(cli: Cli, world: Any) -> None:
    assert cli("host", "import", "host-2").err == "nothing to import\n"
    world.virsh.add_foreign("host-2", "dns", running=False)
    world.virsh.add_foreign("host-2", "mail")
    listed = cli("host", "import", "host-2")
    assert [line.split()[:2] for line in listed.lines[1:]] == [["dns", "POWEROFF"], ["mail", "RUNNING"]]
    assert "--all adopts them" in listed.err
    assert cli("host", "import", "host-2", "-f", "name").lines == ["dns", "mail"]
    would = cli("host", "import", "host-2", "--all", "--dry-run")
    assert "adopt domain mail on host host-2, which is RUNNING, as VM mail" in would.out
    assert cli("vm", "list", "name=mail", "-f", "name").out == ""
    done = cli("host", "import", "host-2", "--all")
    assert (done.status, len(done.lines)) == (0, 2)
    assert cli("vm", "list", "name=mail", "-f", "name").out == "mail\n"
    assert cli("host", "import", "host-2", "--all").err == "nothing to import\n"
    assert cli("host", "import", "host-2", "--all", "-f", "json").status == 2


def test_one_is_adopted_and_disowned(cli: Cli, world: Any) -> None:
    world.virsh.add_foreign("host-1", "print server")
    assert "adopted" in cli("vm", "adopt", "host-1", "print server", "printer").err
    assert cli("vm", "adopt", "host-1", "print server").status == 5
    assert cli("vm", "adopt", "host-1", "ghost").status == 3
    assert cli("vm", "disown", "printer").status == 0
    assert cli("vm", "disown", "printer").status == 3
    assert cli("host", "import", "host-1", "-f", "name").lines == ["print server"]


def test_a_domain_that_is_off_is_adopted_by_a_document_and_stays_off(cli: Cli, world: Any, tmp_path: Path) -> None:
    world.virsh.add_foreign("host-2", "clock", running=False)
    file = tmp_path / "moved.yaml"
    file.write_text("kind: vm\nname: names\nadopt:\n  host: host-2\n  domain: clock\n", encoding="utf-8")
    done = cli("apply", "-f", str(file))
    assert (done.status, "adopted" in done.err) == (0, True), done.err
    assert cli("vm", "list", "name=names", "-c", "state", "-f", "csv").lines[1:] == ["POWEROFF"]
    assert cli("apply", "-f", str(file), "--diff").status == 0
    assert "domain: clock" in cli("export", "vm").out


def test_disks_of_an_adopted_vm_stay_unless_somebody_says_so(cli: Cli, world: Any) -> None:
    for name in ("kept", "gone"):
        world.virsh.add_foreign("host-1", name)
        assert cli("vm", "adopt", "host-1", name).status == 0
    kept = cli("vm", "terminate", "kept", "--hard")
    assert kept.status == 0
    assert "its disks stay (/var/lib/libvirt/images/kept.qcow2); --delete-disks deletes them" in kept.err
    assert exists(world, "/var/lib/libvirt/images/kept.qcow2")
    assert cli("vm", "terminate", "gone", "--keep-disks", "--delete-disks").status == 2
    assert cli("vm", "terminate", "gone", "--hard", "--delete-disks").status == 0
    assert not exists(world, "/var/lib/libvirt/images/gone.qcow2")


@pytest.mark.parametrize(("answer", "stays"), [("no\n", True), ("\n", True), ("yes\n", False)])
def test_a_person_is_asked(
    cli: Cli, connect: InProcess, world: Any, monkeypatch: pytest.MonkeyPatch, answer: str, *, stays: bool
) -> None:
    name = f"asked-{len(answer)}"
    world.virsh.add_foreign("host-1", name)
    assert cli("vm", "adopt", "host-1", name).status == 0
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    err, words, way = Terminal(), ("vm", "terminate", name, "--hard", "--quiet"), cast("Connect", connect)
    assert entry.run(words, lambda options: Context(options, way, out=io.StringIO(), err=err, environ={})) == 0
    assert "Delete its disks, too" in err.getvalue()
    assert exists(world, f"/var/lib/libvirt/images/{name}.qcow2") == stays
