"""nebula template: from files, options, editors and answers to VMs."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from nebula.cli import asking, entry
from nebula.cli.context import Connect, Context
from nebula.cli.editing import edited
from nebula.cli.invocation import Invocation
from nebula.cli.options import GlobalOptions
from nebula.cli.template import typed
from nebula.cli.templatefile import templates
from nebula.model.template import plain
from tests.unit.cli.conftest import Cli, InProcess, Result

ONE = """
# a web server
NAME="web"
MEMORY=128
DISK=[ IMAGE="linux" ]
CONTEXT=[ TITLE="$TITLE", DB="$PW" ]
USER_INPUTS=[ TITLE="M|text|What it is called", PW="M|password|Password", SIZE="O|range|Size|1..9|3" ]
MY_OWN="a b"
"""


@pytest.fixture
def web(tmp_path: Path) -> str:
    path = tmp_path / "web.one"
    path.write_text(ONE)
    return str(path)


def test_a_copy_with_its_images_is_waited_for_until_all_of_them_are_there(cli: Cli) -> None:
    assert cli("template", "create", "two", "--image", "linux", "--disk", "image=linux").status == 0
    copied = cli("template", "clone", "two", "both", "--recursive")
    assert (copied.status, copied.err.count("template both")) == (0, 1)
    states = cli("image", "list", "name~^both-disk", "-f", "csv", "-c", "name,state").lines[1:]
    assert states == ["both-disk-0,READY", "both-disk-1,READY"]
    assert cli("template", "delete", "two", "--recursive").status == 5
    removed = cli("template", "delete", "both", "--recursive", "--no-wait")
    assert (removed.status, len(removed.lines)) == (0, 2)
    assert cli("job", "wait", *removed.lines).status == 0
    assert cli("image", "list", "name~^both-disk", "-f", "name").lines == []
    assert cli("template", "delete", "two").status == 0


def test_from_birth_to_end(cli: Cli, web: str, tmp_path: Path) -> None:
    made = cli("template", "create", "-f", web)
    assert (made.status, made.err) == (0, f"template web ({made.out.strip()}): created\n")
    assert cli("template", "create", "-f", web).status == 5
    shown = cli("template", "show", "web", "-f", "one").out
    assert plain(templates(shown, "x")[0]) == plain(templates(ONE, "x")[0])
    assert plain(templates(cli("template", "show", "web", "-f", "xml").out, "x")[0]) == plain(templates(ONE, "x")[0])
    assert "What it is called" in cli("template", "show", "web").out
    assert cli("template", "update", "web", "--set", "MEMORY=256", "--set", "my_own=").status == 0
    changed = templates(cli("template", "show", "web", "-f", "one").out, "x")[0]
    assert changed["MEMORY"] == "256"
    assert "MY_OWN" not in changed
    assert cli("template", "clone", "web", "copy").status == 0
    assert cli("template", "rename", "copy", "other").status == 0
    assert cli("template", "chmod", "web", "other", "640").err.count("has mode 640 now") == 2
    assert cli("template", "list", "mode=640", "-f", "name").lines == ["web", "other"]
    assert "with the images of its disks has mode 644 now" in cli("template", "chmod", "web", "644", "--recursive").err
    assert cli("image", "list", "mode=644", "-f", "name").lines == ["linux"]
    assert cli("template", "delete", "other", "nothing").status == 8
    assert cli("template", "remove", "web").status == 0
    assert cli("template", "list", "-f", "name").lines == ["blog"]


def test_options_make_a_template_too(cli: Cli, tmp_path: Path) -> None:
    line = ("template", "create", "small", "--memory", "1G", "--image", "linux", "--size", "3G", "--network", "lan")
    assert cli(*line, "--context", "A=1", "--set", "B=2").status == 0
    shown = plain(templates(cli("template", "show", "small", "-f", "one").out, "x")[0])
    assert shown == {
        "NAME": "small", "MEMORY": "1024", "DISK": {"IMAGE": "linux", "SIZE": "3072"}, "NIC": {"NETWORK": "lan"},
        "CONTEXT": {"A": "1"}, "B": "2",
    }  # fmt: skip
    assert cli("template", "create", "empty").status == 2
    assert cli("template", "create", "-f", "/dev/null").status == 2
    cli("template", "delete", "small")


def test_house_words_in_yaml_are_opennebulas(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("name: y\nmemory: 1G\ncpus: 2\nimage: linux\ndisk: [10G]\nnics: [lan]\n---\nname: z\nmemory: 64\n")
    assert len(cli("template", "create", "-f", str(path)).lines) == 2
    assert plain(templates(cli("template", "show", "y", "-f", "one").out, "x")[0]) == {
        "NAME": "y", "MEMORY": "1024", "VCPU": "2", "DISK": [{"IMAGE": "linux"}, {"TYPE": "fs", "SIZE": "10240"}],
        "NIC": {"NETWORK": "lan"},
    }  # fmt: skip
    cli("template", "delete", "y", "z")


def test_in_a_pipe_all_that_is_missing_is_named(cli: Cli, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    cli("template", "create", "-f", web)
    refused = cli("template", "instantiate", "web")
    assert refused.status == 2
    assert "TITLE (What it is called), PW (Password)" in refused.err
    assert "nebula template instantiate web --input TITLE=… --input PW=…" in refused.err
    cli("template", "delete", "web")


def test_vms_are_made_of_it(cli: Cli, web: str, tmp_path: Path) -> None:
    cli("template", "create", "-f", web)
    answers = tmp_path / "answers"
    answers.write_text('TITLE="cats"\nPW="hunter2-and-more"\n')
    line = ("template", "instantiate", "web", "--inputs", str(answers), "--hold")
    made = cli(*line, "--name", "s%idx", "--count", "2", "--input", "TITLE=dogs", "--memory", "64M", "--context", "X=1")
    assert made.status == 0, made
    assert "created, on hold" in made.err
    assert cli("vm", "list", "template=web", "--columns", "name,memory", "-f", "csv").lines == [
        "name,memory",
        "s0,64",
        "s1,64",
    ]
    shown = cli("vm", "show", "s0", "--no-refresh").out
    assert "dogs" in shown
    assert "hunter2" not in shown
    unnamed = cli(*line, "--count", "2")
    assert len(unnamed.lines) == 2
    assert cli("template", "instantiate", "web", "--inputs", str(answers), "--dry-run").out.startswith("web-")
    explained = cli("template", "explain", "web", "--inputs", str(answers))
    assert explained.status == 0, explained
    assert "MY_OWN" in explained.out
    assert "A VM of it would be called web-" in explained.out
    assert "hunter2" not in explained.out
    without = cli("template", "explain", "web")
    assert (without.status, "No VM can be made of it" in without.out) == (1, True)
    assert cli("template", "explain", "--file", web, "--inputs", str(answers)).status == 0
    assert cli("template", "explain").status == 2
    for name in ("s0", "s1", *unnamed.lines):
        cli("vm", "terminate", name)
    cli("template", "delete", "web")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ASKED: list[dict[str, Any]] = [
    {"name": "TITLE", "mandatory": True, "type": "text", "description": "What it is called"},
    {"name": "SIZE", "mandatory": False, "type": "range", "options": ["1", "9"], "default": "3"},
    {"name": "KIND", "mandatory": True, "type": "list", "options": ["a", "b"]},
    {"name": "NOTE", "mandatory": False, "type": "text64"},
    {"name": "PW", "mandatory": True, "type": "password"},
    {"name": "PLAN", "mandatory": True, "type": "fixed", "default": "gold"},
]


def test_on_a_terminal_it_asks(connect: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\ncats\n\nc\nb\nline one\nline two\n.\n"))
    words = iter(["", "sesame"])
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: next(words))
    err = Terminal()
    context = Context(GlobalOptions(), cast("Connect", connect), out=io.StringIO(), err=err)
    answers = asking.completed(context, ASKED, {}, {})
    assert answers == {"TITLE": "cats", "KIND": "b", "NOTE": "line one\nline two", "PW": "sesame"}
    assert "What it is called (TITLE, text): " in err.getvalue()
    assert "SIZE (SIZE, a number from 1 to 9) [3]: " in err.getvalue()
    assert "KIND must be one of a, b" in err.getvalue()
    assert "sesame" not in err.getvalue()
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    with pytest.raises(Exception, match="nothing more was typed"):
        asking.completed(context, ASKED, {}, {})
    assert asking.completed(context, ASKED[:1], {"TITLE": "x"}, {}) == {"TITLE": "x"}
    assert asking.completed(context, ASKED[:1], {}, {"TITLE": "x"}) == {}


def update(way: InProcess, editor: str) -> Result:
    """Template update web, with that editor."""
    out, err = io.StringIO(), io.StringIO()
    engine, environ = cast("Connect", way), {"EDITOR": editor}
    status = entry.run(
        ("template", "update", "web"), lambda options: Context(options, engine, out=out, err=err, environ=environ)
    )
    return Result(status, out.getvalue(), err.getvalue())


def test_an_editor_changes_it(cli: Cli, connect: InProcess, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("template", "create", "-f", web)
    editor, seen = tmp_path / "editor", tmp_path / "seen"

    def edits(script: str) -> None:
        editor.write_text(f'#!/bin/sh\nstat -c %a "$2" > {seen}\necho "$2" >> {seen}\n{script}\n')
        editor.chmod(editor.stat().st_mode | stat.S_IXUSR)

    assert update(connect, f"{editor} -x").status == 2, "nobody is at a terminal"
    monkeypatch.setattr(sys, "stdin", Terminal())
    edits("""sed -i 's/MEMORY="128"/MEMORY=512/' "$2" """)
    assert update(connect, f"{editor} -x").status == 0
    assert 'MEMORY="512"' in cli("template", "show", "web", "-f", "one").out
    mode, path = seen.read_text().splitlines()
    assert mode == "600"
    assert not Path(path).exists()
    edits("true")
    assert update(connect, f"{editor} -x").err == "nothing was changed\n"
    edits("exit 3")
    assert update(connect, f"{editor} -x").err == "the editor ended with status 3: nothing was changed\n"
    edits('echo "A = [" >> "$2"')
    wrong = update(connect, f"{editor} -x")
    kept = seen.read_text().splitlines()[1]
    assert wrong.status == 2
    assert "never closed" in wrong.err
    assert f"-f {kept}" in wrong.err
    assert Path(kept).exists(), "what was typed is not lost"
    Path(kept).unlink()
    assert update(connect, "/no/such/editor").status == 1
    assert update(connect, "'").status == 2
    edits("""sed -i 's/512/1024/' "$2" """)

    def meanwhile(*given: Any) -> Any:
        found = edited(*given)
        cli("template", "update", "web", "--set", "OTHER=1")
        return found

    monkeypatch.setattr("nebula.cli.verbs.template.edited", meanwhile)
    stale = update(connect, f"{editor} -x")
    assert stale.status == 5
    assert "changed by somebody else" in stale.err
    kept = stale.err.split(" -f ")[1].split()[0]
    assert 'MEMORY="1024"' in Path(kept).read_text()
    Path(kept).unlink()
    assert "OTHER" in cli("template", "show", "web", "-f", "one").out
    cli("template", "delete", "web")


def test_options_replace_lists_and_name_keys() -> None:
    from nebula.cli.fastparse import parse

    line = parse(
        ["template", "instantiate", "web", "--disk", "10G", "--network", "lan:ip=10.0.0.9", "--context", "A=1", "--cpus", "2",
         "--uefi", "--requirements", "X=1", "--autostart"]
    )  # fmt: skip
    assert isinstance(line, Invocation)
    assert typed(line) == {
        "VCPU": 2,
        "DISK": [{"TYPE": "fs", "SIZE": 10240}],
        "NIC": [{"NETWORK": "lan", "IP": "10.0.0.9"}],
        "CONTEXT": {"A": "1"},
        "OS": {"FIRMWARE": "UEFI"},
        "SCHED_REQUIREMENTS": "X=1",
        "AUTOSTART": "YES",
    }


def test_a_print_without_secrets_says_so(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.one"
    path.write_text('NAME="secret" MEMORY=64 CONTEXT=[ PASSWORD="sesame" ]')
    cli("template", "create", "-f", str(path))
    hidden, shown = cli("template", "show", "secret", "-f", "one"), cli("template", "show", "secret", "-f", "one", "--secrets")
    assert "sesame" not in hidden.out
    assert hidden.err == "what is secret is printed as (hidden); --secrets prints it as it is\n"
    assert 'PASSWORD="sesame"' in shown.out
    assert shown.err == ""
    cli("template", "delete", "secret")


def test_other_programs_words_are_understood(cli: Cli) -> None:
    for word, meant in (("rm", "delete"), ("edit", "update"), ("launch", "instantiate"), ("ls", "list")):
        refused = cli("template", word, "web")
        assert (refused.status, f"did you mean nebula template {meant}?" in refused.err) == (2, True), refused
