"""What is said of lines that make no sense."""

from __future__ import annotations

import pytest

from nebula.cli import entry, mistakes, table

from .conftest import Cli


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["vmm", "list"], "nebula vm"),
        (["vms"], "nebula vm"),
        (["nodes", "list"], "nebula host"),
        (["onevm", "list"], "nebula vm"),
        (["onevnet", "show", "lan"], "nebula network"),
        (["image", "create", "nothing", "--size", "0"], "--size 10G"),
        (["vm", "lst"], "nebula vm list"),
        (["vm", "start", "web-1"], "nebula vm resume"),
        (["vm", "shutdown", "web-1"], "nebula vm poweroff"),
        (["vm", "destroy", "web-1"], "nebula vm terminate"),
        (["image", "delete", "linux"], "nebula image remove"),
        (["host", "flush", "host-1"], "nebula host evacuate"),
        (["daemon", "start"], "nebula daemon run"),
        (["list"], "nebula vm list"),
        (["start", "web-1"], "nebula vm resume"),
        (["vm", "list", "--fromat", "json"], "--format"),
        (["vm", "poweroff", "--hrd", "web-1"], "--hard"),
        (["vm", "list", "--sort", "nmae"], "name"),
        (["vm", "list", "nmae=web"], "name"),
        (["vm", "list", "state=RUNING"], "RUNNING"),
        (["vm", "show", "wbe-1"], "web-1"),
        (["vm", "show", "1-3"], "1..3"),
        (["image", "create", "debian-122"], "debian-12"),
    ],
)
def test_what_was_meant_is_offered(cli: Cli, words: list[str], meant: str) -> None:
    result = cli(*words)
    assert result.status in {2, 3}
    assert result.out == ""
    hint = next(text for text in result.err.splitlines() if text.startswith("hint: "))
    assert meant in hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vm", "poweroff"], "nebula vm poweroff wants REFS"),
        (["vm", "rename", "web-1"], "nebula vm rename wants NAME"),
        (["vm", "list", "--sort"], "nebula vm list: option '--sort' requires an argument"),
        (["vm", "list", "-q", "--zzz"], "nebula vm list has no option '--zzz'"),
        (["version", "x"], "nebula version: got unexpected extra argument(s) (x)"),
        (["vm", "show", "1,2,,3"], "'1,2,,3' is no list of ids"),
    ],
)
def test_a_mistake_names_the_command(cli: Cli, words: list[str], said: str) -> None:
    result = cli(*words)
    assert result.status == 2
    assert result.err.startswith(f"error: {said}\n")


def test_a_noun_alone_says_what_there_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.parse(["vm"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "poweroff" in shown.err
    assert shown.err.startswith("Usage: nebula vm ")


def test_other_programs_words_lead_to_verbs_that_exist() -> None:
    verbs = {command.name for noun in table.NOUNS for command in table.commands(noun.name)}
    for word, own in mistakes._VERBS.items():
        assert verbs.issuperset(own), word
    assert {noun.name for noun in table.NOUNS}.issuperset(mistakes._NOUNS.values())


@pytest.mark.parametrize("words", [["drs", "replay"], ["apply", "--file"], ["image", "create", "new", "--path"]])
def test_a_name_that_no_file_can_have(cli: Cli, words: list[str]) -> None:
    result = cli(*words, f"/{'x' * 300}")
    assert result.status in {2, 3}, result
    assert "hint: " in result.err
    assert "a fault in itself" not in result.err


def test_a_file_that_one_may_not_reach(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> bool:
        raise PermissionError(13, "Permission denied", "/root/plan.json")

    monkeypatch.setattr("pathlib.Path.is_dir", refused)
    result = cli("drs", "replay", "/root/plan.json")
    assert (result.status, result.err.splitlines()[0]) == (4, "error: /root/plan.json cannot be used")
