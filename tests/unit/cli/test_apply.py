"""nebula apply and export: from files to what exists, and back."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import cast

import pytest

from nebula.cli import entry
from nebula.cli.context import Connect, Context
from nebula.cli.documents import label_of, read
from nebula.cli.options import GlobalOptions
from nebula.engine.api.values import Call
from nebula.errors import NebulaError, NotFoundError, UsageError
from tests.unit.cli.conftest import Cli, InProcess, Program

LAB = """\
kind: cluster
name: lab
attributes: {rack: 7}
---
kind: network
name: lab
driver: sim
ranges: [{ip: 10.60.0.10-10.60.0.20}]
---
kind: vm
name: lab-1
memory: 256M
image: linux
networks: lab
submit-on-hold: yes
"""


@pytest.fixture
def lab(cli: Cli, tmp_path: Path) -> Path:
    """A file that was applied, whatever earlier tests left."""
    file = tmp_path / "lab.yaml"
    file.write_text(LAB)
    made = cli("apply", "-f", str(file))
    assert made.status == 0, made.err
    return file


def test_a_diff_changes_nothing_and_says_so_by_its_status(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text("kind: cluster\nname: new\nattributes: {rack: 7}\n")
    result = cli("apply", "-f", str(file), "--diff")
    assert (result.status, result.out) == (1, "+ cluster new\n    + attributes/rack: 7\n")
    assert cli("cluster", "show", "new").status == 3
    assert "1 to create" in result.err


def test_a_second_run_changes_nothing(cli: Cli, lab: Path) -> None:
    again = cli("apply", "-f", str(lab))
    assert (again.status, again.out, again.err) == (0, "", "nothing to change: 3 as they should be\n")
    diff = cli("apply", "-f", str(lab), "--diff")
    assert (diff.status, diff.out) == (0, "")


def test_what_cannot_be_changed_is_one_error_and_nothing_is_done(cli: Cli, lab: Path) -> None:
    lab.write_text(LAB.replace("rack: 7", "rack: 8").replace("image: linux", "disk: [{image: linux, target: sdb}]"))
    result = cli("apply", "-f", str(lab))
    assert result.status == 5
    assert "disk 0 of a vm cannot be changed in place; nothing was changed" in result.err
    assert cli("apply", "-f", str(lab), "--diff").out == (
        "~ cluster lab\n    ~ attributes/rack: 7 -> 8\n~ vm lab-1\n    + disk[0]/target: sdb\n"
        "    ! disk 0 of a vm cannot be changed in place\n"
    )
    lab.write_text(LAB)
    assert cli("apply", "-f", str(lab), "--diff").status == 0


def test_a_run_that_fails_says_how_far_it_got_and_goes_on_from_there(cli: Cli, lab: Path) -> None:
    broken = LAB.replace("kind: vm\nname: lab-1", "kind: vm\nname: lab-2").replace("image: linux", "image: ghost")
    lab.write_text(LAB + "---\nkind: cluster\nname: lab-too\n---\n" + broken.split("---\n")[2])
    result = cli("apply", "-f", str(lab))
    assert result.status == 8
    assert "error: vm lab-2: there is no image 'ghost'" in result.err
    assert "stopped at vms: 1 done, 1 failed, 0 not begun" in result.err
    lab.write_text(lab.read_text().replace("ghost", "linux"))
    again = cli("apply", "-f", str(lab))
    assert again.status == 0
    assert "1 done, 4 as they should be" in again.err


def test_a_vm_without_memory_says_what_it_got(cli: Cli, connect: InProcess, tmp_path: Path) -> None:
    """Such a one was made of a template that says nothing of its memory."""
    with connect.changer(GlobalOptions()) as engine:
        engine.vms.create({"NAME": "modest"}, Call(), hold=True)
    file = tmp_path / "modest.yaml"
    text = cli("export", "vm").out.partition("name: modest\n")[2].partition("---")[0]
    assert "memory: 512\n" in text
    file.write_text(f"kind: vm\nname: modest\n{text}")
    assert cli("apply", "-f", str(file), "--diff").status == 0
    file.write_text(f"kind: vm\nname: modest\n{text.replace('512', '1G')}")
    assert cli("apply", "-f", str(file)).status == 0
    assert cli("vm", "list", "name=modest", "-f", "csv", "-c", "memory").lines == ["memory", "1024"]


def test_prune_asks_first_and_removes_only_what_the_set_made(cli: Cli, lab: Path) -> None:
    assert cli("cluster", "create", "by-hand-of-somebody").status == 0
    lab.write_text("kind: network\nname: lab\n")
    refused = cli("apply", "-f", str(lab), "--prune")
    assert refused.status == 2
    assert "vm lab-1" in refused.err
    assert "--yes" in refused.err
    assert cli("vm", "list", "name=lab-1", "-f", "name").out == "lab-1\n"
    kept = cli("apply", "-f", str(lab), "--label", "other", "--prune", "--yes")
    assert (kept.status, kept.err) == (0, "nothing to change: 1 as they should be\n")
    done = cli("apply", "-f", str(lab), "--prune", "--yes")
    assert done.status == 0, done.err
    assert cli("vm", "list", "name=lab-1", "-f", "name").out == ""
    assert cli("cluster", "show", "lab").status == 3
    assert cli("network", "show", "lab").status == 0
    assert cli("cluster", "show", "by-hand-of-somebody").status == 0


class Terminal(io.StringIO):
    """A stream that a person sits at."""

    def isatty(self) -> bool:
        return True


def test_a_person_may_say_no(cli: Cli, connect: InProcess, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write_text("kind: network\nname: lab\n")

    def prune(answer: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        err, words = Terminal(), ("apply", "-f", str(lab), "--prune", "--quiet")
        way = cast("Connect", connect)
        status = entry.run(words, lambda options: Context(options, way, out=io.StringIO(), err=err, environ={}))
        return status, err.getvalue()

    status, said = prune("no\n")
    assert status == 130
    assert "vm lab-1, cluster lab" in said
    assert "nothing was changed" in said
    assert cli("cluster", "show", "lab").status == 0
    assert prune("yes\n")[0] == 0
    assert cli("cluster", "show", "lab").status == 3


def test_cards_come_and_go_in_one_run(cli: Cli, lab: Path) -> None:
    text = "kind: vm\nname: carded\nmemory: 64M\nimage: linux\nnetworks: %s\n"
    lab.write_text(text % "lan")
    assert cli("apply", "-f", str(lab)).status == 0
    for networks, count in (("[lan, lan, lan]", 3), ("lan", 1)):
        lab.write_text(text % networks)
        done = cli("apply", "-f", str(lab))
        assert (done.status, done.err.count("): changed")) == (0, 1), done.err
        assert len(json.loads(cli("vm", "show", "carded", "-f", "json").out)["nics"]) == count
        assert cli("apply", "-f", str(lab), "--diff").status == 0
    assert cli("vm", "terminate", "carded", "--hard").status == 0


def test_export_is_what_apply_takes(cli: Cli, lab: Path) -> None:
    everything = cli("export")
    assert everything.status == 0
    lab.write_text(everything.out)
    diff = cli("apply", "-f", str(lab), "--diff")
    assert (diff.status, diff.out) == (0, ""), diff.err
    assert cli("export", "vmgroup").out.startswith("kind: vmgroup\nname: shop\n")
    assert cli("export", "wm").status == 2


def test_an_export_furnishes_an_empty_home(cli: Cli, program: Program, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(cli("export", "cluster", "host", "datastore", "network", "image", "vmgroup").out)
    made = program("apply", "-f", str(file))
    assert made.status == 0, made.err
    assert program("apply", "-f", str(file), "--diff").status == 0
    assert program("export").out.count("kind:") >= file.read_text().count("kind:")


MISTAKES = [
    ("name: x\n", "document 1 has no kind"),
    ("kind: wm\nname: x\n", "document 1 (x): no kind of object"),
    ("kind: vm\nname: x\nmemroy: 1G\n", "document 1: the VM has no memory yet"),
    ("kind: network\nname: x\nranges: 5\n", "network x: a range must be a group of values"),
    ("kind: vm\nname: x\nmemory: &m 1G\nmemory_max: *m\n", "write out what it stands for"),
    ("kind: vm\nmemory: 1G\n", "no name"),
    ("kind: host\nname: a\nadress: x\n", "did you mean address"),
    ("kind: cluster\nname: a\nname: b\n", "twice"),
    ("kind: host\nname: a\nreserved-cpu: 1\nreserved_cpu: 1\n", "twice"),
    ("- a\n", "not a template"),
    ("", "not a template"),
    ("kind: vm\nname: x\nmemory: 1G\ndisk: [[1]]\n", "document 1: DISK"),
    ("kind: [vm]\nname: x\n", "no kind"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES)
def test_a_mistake_in_a_file_is_one_clear_error(cli: Cli, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    result = cli("apply", "-f", str(file))
    assert result.status == 2, result.err
    assert words in result.err


def test_apply_wants_files(cli: Cli, tmp_path: Path) -> None:
    assert cli("apply").status == 2
    assert cli("apply", "-f", str(tmp_path / "ghost.yaml")).status == 3
    assert cli("apply", "-f", str(tmp_path)).status == 3


def test_a_directory_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/two.yml", "a.yaml", "z.json", ".hidden.yaml", "notes.txt"):
        text = '{"kind": "cluster", "name": "z"}' if name.endswith("json") else f"kind: cluster\nname: {Path(name).stem}\n"
        (tmp_path / name).write_text(text)
    assert [item["name"] for item in read([str(tmp_path)])] == ["a", "two", "z"]


def test_an_image_is_looked_for_beside_its_document(tmp_path: Path) -> None:
    (tmp_path / "i.yaml").write_text("kind: image\nname: i\npath: files/i.qcow2\n---\nkind: image\nname: j\npath: /j\n")
    assert [item["path"] for item in read([str(tmp_path / "i.yaml")])] == [str(tmp_path / "files/i.qcow2"), "/j"]


def test_a_set_is_called_like_its_file(tmp_path: Path) -> None:
    assert label_of([str(tmp_path / "lab.yaml")]) == "lab"
    assert label_of([str(tmp_path)]) == tmp_path.name
    assert label_of(["-"]) == "stdin"
    with pytest.raises(UsageError, match="name"):
        label_of(["a.yaml", "b.yaml"])


def test_stdin_is_a_file_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        buffer = io.BytesIO(b"kind: cluster\nname: piped\n")

        @staticmethod
        def isatty() -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Piped())
    assert cli("apply", "-f", "-").status == 0
    assert cli("cluster", "show", "piped").status == 0


def test_a_file_that_cannot_be_read_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read([str(tmp_path / "ghost")])
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NebulaError):
        read([str(tmp_path)])


def test_devices_of_hosts_are_named_and_change(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "uplinks.yaml"
    text = "kind: network\nname: uplinks\ndriver: sim\nphysical_device: eno1\nphysical_device_on: {host-1: enp3s0}\n"
    file.write_text(text)
    assert cli("apply", "-f", str(file)).status == 0
    assert cli("apply", "-f", str(file), "--diff").status == 0
    file.write_text(text.replace("host-1: enp3s0", "host-2: bond0"))
    assert cli("apply", "-f", str(file)).status == 0
    shown = json.loads(cli("network", "show", "uplinks", "-f", "json").out)
    assert shown["physical_device_on"] == {"host-2": "bond0"}
    assert "host-2: bond0" in cli("export", "network").out
    assert cli("network", "remove", "uplinks").status == 0
