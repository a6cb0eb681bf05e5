"""Being root through sudo: real accounts, one with the documented rule and one without."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from nebula.cancel import CancelToken
from nebula.errors import CommandError, DeniedError, InterruptedByUser, TimedOutError
from nebula.transport.local import LocalTransport
from nebula.transport.outcome import sudo_rule
from nebula.transport.ssh import SshTransport
from tests.unit.transport.conftest import ALLOWED_UID, Connect, Sshd

_NOBODY = 65534


@pytest.fixture
def allowed(connect: Connect) -> SshTransport:
    return connect(user="allowed")


def test_the_lab_uses_the_documented_rule(sshd: Sshd) -> None:
    assert (sshd.base / "sudoers").read_text().strip() == sudo_rule("allowed")


def test_root_only_where_asked_for(allowed: SshTransport) -> None:
    assert allowed.run(["id", "-u"]).text.strip() == str(ALLOWED_UID)
    assert allowed.run(["id", "-u"], root=True).text.strip() == "0"


def test_root_login_needs_no_sudo(connect: Connect) -> None:
    done = connect().run(["sh", "-c", 'echo "${SUDO_USER:-none}"'], root=True)
    assert done.text == "none\n"


def test_files_of_root(allowed: SshTransport, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with pytest.raises(CommandError, match="Permission denied"):
        allowed.write_file(path, b"secret")
    allowed.write_file(path, b"secret", root=True)
    assert Path(path).stat().st_uid == 0
    with pytest.raises(CommandError, match="Permission denied"):
        allowed.read_file(path)
    assert allowed.read_file(path, root=True) == b"secret"


def test_upload_as_root(allowed: SshTransport, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"data" * 100_000)
    allowed.upload(tmp_path / "source", str(tmp_path / "target"), root=True)
    assert (tmp_path / "target").read_bytes() == b"data" * 100_000


def test_a_command_of_root_is_ended_too(allowed: SshTransport, tmp_path: Path) -> None:
    pids, token = tmp_path / "pid", CancelToken()
    with pytest.raises(TimedOutError):
        allowed.run(["sh", "-c", 'echo $$ >"$1"; exec sleep 1000', "sh", str(pids)], root=True, timeout=2)
    assert not Path(f"/proc/{pids.read_text().strip()}").exists()
    with pytest.raises(InterruptedByUser):
        allowed.run(
            ["sh", "-c", "echo on; exec sleep 1000"], root=True, cancel=token, on_line=lambda _line: token.set("cancelled")
        )


def test_failure_of_a_command_is_not_sudos(allowed: SshTransport) -> None:
    with pytest.raises(CommandError, match="on host node1"):
        allowed.run(["false"], root=True)
    assert allowed.run(["no-such-program"], root=True, check=False).status == 127


def test_refusal_names_the_rule(connect: Connect, tmp_path: Path) -> None:
    refused = connect(user="refused")
    with pytest.raises(DeniedError, match="refused may not become root on host node1") as caught:
        refused.run(["id"], root=True)
    assert sudo_rule("refused") in caught.value.hint
    (tmp_path / "source").write_text("x")
    with pytest.raises(DeniedError):
        refused.upload(tmp_path / "source", str(tmp_path / "target"), root=True)


def _as_nobody(answers: multiprocessing.SimpleQueue[str]) -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
    try:
        LocalTransport("here").run(["id"], root=True)
    except DeniedError as error:
        answers.put(error.message)
    else:
        answers.put("allowed")


def test_local_refusal() -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_as_nobody, args=(answers,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert answers.get() == "nobody may not become root on host here"
