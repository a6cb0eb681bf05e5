"""vm exec, cp, screenshot and what ssh asks for, on simulated hosts whose guests have an agent."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from nebula.cli.verbs.vm_guest import CHUNK, Pace, Place, place
from tests.unit.cli.conftest import Cli


def test_a_command_says_what_it_says_and_ends_as_it_ends(cli: Cli) -> None:
    done = cli("vm", "exec", "web-1", "--", "echo", "a", "b")
    assert (done.status, done.out, done.err) == (0, "a b\n", "")
    done = cli("vm", "exec", "web-1", "--", "complain")
    assert (done.status, done.out, done.err) == (3, "", "it hurts\n")
    assert cli("vm", "exec", "web-1", "--", "false").status == 1


def test_a_command_reads_what_it_is_given(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"from here\n")))
    assert cli("vm", "exec", "web-1", "--stdin", "--", "cat").out == "from here\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(bytes(3 << 20))))
    refused = cli("vm", "exec", "web-1", "--stdin", "--", "cat")
    assert (refused.status, "vm cp" in refused.err) == (2, True)


def test_a_command_that_lasts_is_killed(cli: Cli) -> None:
    late = cli("vm", "exec", "web-1", "--timeout", "1s", "--", "sleep", "3600")
    assert (late.status, "killed" in late.err) == (7, True)


@pytest.mark.parametrize(
    "words", [("web-1",), ("web-1", "--"), ("web-1", "--timeout", "soon", "--", "true"), ("*", "--", "true")]
)
def test_what_cannot_be_run_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    refused = cli("vm", "exec", *words)
    assert (refused.status, refused.err.count("error: ")) == (2, 1)


def test_no_such_command_is_the_agents_word(cli: Cli) -> None:
    refused = cli("vm", "exec", "web-1", "--", "no-such-program")
    assert (refused.status, "No such file" in refused.err) == (1, True)


@pytest.mark.parametrize("size", [0, 1, CHUNK, 2 * CHUNK + 7])
def test_a_file_goes_in_and_comes_out(cli: Cli, tmp_path: Path, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    (tmp_path / "here").write_bytes(data)
    assert cli("vm", "cp", str(tmp_path / "here"), "web-1:/tmp/there").status == 0
    done = cli("vm", "cp", "web-1:/tmp/there", str(tmp_path))
    assert (done.status, "sha256" in done.err) == (0, True), done.err
    assert (tmp_path / "there").read_bytes() == data
    assert cli("vm", "cp", str(tmp_path / "here"), "web-1:/tmp/").status == 0
    assert cli("vm", "cp", "web-1:/tmp/here", str(tmp_path / "again")).status == 0
    assert (tmp_path / "again").read_bytes() == data


def test_less_goes_at_once_where_the_guest_is_slow() -> None:
    pace = Pace()
    first = pace.size
    pace.took(9.0)
    assert pace.size == first // 2
    for _ in range(9):
        pace.took(99.0)
    assert 0 < pace.size < first // 2
    for _ in range(20):
        pace.took(0.01)
    assert pace.size == CHUNK
    pace.took(1.0)
    assert pace.size == CHUNK


def test_a_failed_copy_leaves_nothing_here(cli: Cli, tmp_path: Path) -> None:
    for words, status in (
        (("web-1:/nothing", str(tmp_path / "x")), 1),
        ((str(tmp_path / "nothing"), "web-1:/x"), 3),
        (("a", "b"), 2),
        (("web-1:/a", "web-1:/b"), 2),
        (("web-1:relative", str(tmp_path)), 2),
        (("no-such-vm:/a", str(tmp_path)), 3),
    ):
        refused = cli("vm", "cp", *words)
        assert (refused.status, refused.err.count("error: ")) == (status, 1), refused.err
    assert list(tmp_path.iterdir()) == []


def test_a_colon_in_a_path_here_is_no_vm() -> None:
    assert place("web:/a:b") == Place("web", "/a:b")
    assert place("./a:b") == Place("", "./a:b")
    assert place("/x/a:b") == Place("", "/x/a:b")
    assert place(":x") == Place("", ":x")


def test_a_screen_becomes_a_file(cli: Cli, tmp_path: Path) -> None:
    assert cli("vm", "screenshot", "web-1", str(tmp_path / "a.png")).status == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert cli("vm", "screenshot", "web-1", str(tmp_path / "no" / "a.png")).status == 1


def test_a_domain_is_printed_as_its_host_has_it(cli: Cli) -> None:
    told = cli("vm", "xml", "web-1")
    assert told.status == 0, told.err
    assert told.out.startswith("<domain")
    assert told.out.rstrip().endswith("</domain>")


def test_what_is_off_says_so(cli: Cli, tmp_path: Path) -> None:
    assert cli("vm", "create", "asleep", "--image", "linux", "--memory", "64M", "--hold").status == 0
    for words in (
        ("exec", "asleep", "--", "true"),
        ("cp", "asleep:/a", str(tmp_path)),
        ("screenshot", "asleep", str(tmp_path / "a.png")),
        ("spice", "asleep"),
    ):
        refused = cli("vm", *words)
        assert (refused.status, "HOLD" in refused.err) == (5, True), refused.err
    assert cli("vm", "terminate", "asleep").status == 0


def test_a_context_is_changed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("#cloud-config\n")
    told = cli("vm", "update", "web-1", "--context", "COLOUR=blue", "--user-data", str(tmp_path / "user-data"))
    assert told.status == 0, told.err
    context = json.loads(cli("vm", "show", "web-1", "-f", "json").out)["template"]["CONTEXT"]
    assert (context["COLOUR"], context["USER_DATA"]) == ("blue", "#cloud-config\n")
    assert cli("vm", "update", "web-1", "--context", "COLOUR=").status == 0
    assert "COLOUR" not in json.loads(cli("vm", "show", "web-1", "-f", "json").out)["template"]["CONTEXT"]
    assert cli("vm", "update", "web-1", "--context", "PATH=/tmp").status == 2
