"""The contract on a real restic: on the host that has the repository, and through that host's sshd."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.poly1305 import Poly1305

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.repository.refusals import damage
from nebula.drivers.repository.restic import ResticRepository
from nebula.errors import (
    CommandError,
    ConflictError,
    DamagedError,
    DeniedError,
    InterruptedByUser,
    UsageError,
)
from nebula.model.backup import BackupFile, StoreRequest
from nebula.transport.local import LocalTransport
from tests.contract.repository import UUID, RepositoryContract, RepositoryLab, fetch, store
from tests.support.sim import until
from tests.unit.drivers.datastore.conftest import hosts, peers, place

__all__ = ["hosts", "peers", "place"]
PASSWORD = "a word that nobody guesses"


def put(_: HostHandle, directory: str, name: str, number: int) -> None:
    """A qcow2 file with some data of its own; one that builds on another has less."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    path = f"{directory}/{name}"
    Path(path).unlink(missing_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
    amount = "1M" if name.endswith(".0") else "64k"
    command = f"write -P {number} 1M {amount}"
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, path], check=True, stdout=subprocess.DEVNULL)
    for block in range(4 if name.endswith(".0") else 0):  # what restic cannot compress away
        noise = Path(directory) / "noise"
        noise.write_bytes(bytes((number * 7919 + block * 104_729 + byte * byte) % 251 for byte in range(65_536)))
        subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", f"write -s {noise} {4 + block}M 64k", path], check=True, stdout=subprocess.DEVNULL
        )
        noise.unlink()


def seen(_: HostHandle, directory: str, name: str) -> str:
    path = Path(directory) / name
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


def with_quick_key(vault: Path, password: str) -> None:
    """The repository's own key, locked anew with the same password so that it opens at once: restic works for a quarter of a
    second at each command to find it out, and hundreds of commands are run on repositories that nobody wants to break into.
    """
    (old,) = (vault / "keys").iterdir()
    key = json.loads(old.read_text())
    salt, data = base64.b64decode(key["salt"]), base64.b64decode(key["data"])
    nonce, locked = data[:16], data[16:-16]

    def derived(cost: int) -> bytes:
        return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=key["r"], p=key["p"], maxmem=1 << 28, dklen=64)

    def turned(secret: bytes, text: bytes) -> bytes:
        return Cipher(AES(secret[:32]), CTR(nonce)).encryptor().update(text)

    secret = derived(2)
    locked = turned(secret, turned(derived(key["N"]), locked))
    seal = Cipher(AES(secret[32:48]), ECB()).encryptor().update(nonce)  # noqa: S305 - one block, as Poly1305-AES has it
    data = nonce + locked + Poly1305.generate_tag(secret[48:] + seal, locked)
    text = json.dumps({**key, "N": 2, "data": base64.b64encode(data).decode()})
    old.unlink()
    (vault / "keys" / hashlib.sha256(text.encode()).hexdigest()).write_text(text)


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new repository, made by the driver."""
    base = tmp_path_factory.mktemp("restic")
    here = LocalTransport("node1")
    host = HostHandle(
        host_id=1, name="node1", address="", user="root", port=22, virt="qemu", root=str(base), transport=here
    )  # fmt: skip
    ResticRepository(5, {"path": str(base / "vault"), "password": PASSWORD}, host).prepare(host, job="1", cancel=None)
    with_quick_key(base / "vault", PASSWORD)
    return base / "vault"


@pytest.fixture
def restic_lab(hosts: tuple[HostHandle, HostHandle], place: Path, vault: Path) -> RepositoryLab:
    shutil.copytree(vault, place / "vault")

    def damage() -> None:
        for pack in (place / "vault" / "data").glob("*/*"):
            data = bytearray(pack.read_bytes())
            data[len(data) // 3] ^= 1
            pack.chmod(0o600)
            pack.write_bytes(data)

    repository = ResticRepository(5, {"path": str(place / "vault"), "password": PASSWORD}, hosts[0])
    return RepositoryLab(repository, *hosts, str(place / "work"), put, seen, damage)


class TestRestic(RepositoryContract):
    @pytest.fixture
    def lab(self, restic_lab: RepositoryLab) -> RepositoryLab:
        return restic_lab


class Watched(LocalTransport):
    """Remembers every command."""

    def run(self, argv: Sequence[str], **more: Any):  # type: ignore[no-untyped-def]
        self.__dict__.setdefault("commands", []).append(" ".join(argv))
        return super().run(argv, **more)


def test_the_password_is_in_no_command_and_stays_nowhere(restic_lab: RepositoryLab, place: Path) -> None:
    watched = Watched("node1")
    host = msgspec.structs.replace(restic_lab.host, transport=watched)
    restic_lab.repository.prepare(host, job="1", cancel=None)
    stored = store(restic_lab, 1, host=host)
    fetch(restic_lab, stored, host)
    assert watched.__dict__["commands"]
    assert not [line for line in watched.__dict__["commands"] if PASSWORD in line]
    assert list((place / "one" / "work").iterdir()) == []


def test_one_that_is_cancelled_in_the_middle_leaves_no_lock(restic_lab: RepositoryLab, place: Path) -> None:
    restic_lab.repository.prepare(restic_lab.other, job="1", cancel=None)
    directory = Path(restic_lab.directory)
    directory.mkdir()
    put(restic_lab.other, restic_lab.directory, "disk.0.0", 1)
    with (directory / "large").open("wb") as large:
        for _ in range(200):
            large.write(os.urandom(1 << 20))
    token = CancelToken()
    request = StoreRequest(
        directory=restic_lab.directory, uuid=UUID, tag="job-1", at=1, description="{}", new=(BackupFile(name="disk.0.0"),)
    )
    locks = place / "vault" / "locks"

    def cancel() -> None:
        until(lambda: any(locks.iterdir()), "restic's lock")
        token.set("cancelled by a test")

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(InterruptedByUser):
        restic_lab.repository.store(restic_lab.other, request, job="1", progress=None, cancel=token)
    thread.join()
    assert list(locks.iterdir()) == []
    assert list((place / "two" / "work").iterdir()) == []


def test_another_password_opens_nothing(restic_lab: RepositoryLab, place: Path) -> None:
    restic_lab.repository.prepare(restic_lab.host, job="1", cancel=None)
    other = ResticRepository(5, {"path": str(place / "vault"), "password": "another word"}, restic_lab.host)
    with pytest.raises(DeniedError):
        other.prepare(restic_lab.host, job="2", cancel=None)
    with pytest.raises(UsageError):
        ResticRepository(5, {"path": str(place / "vault")}, None)


def test_what_an_earlier_one_lost_is_not_taken_for_empty(restic_lab: RepositoryLab, place: Path) -> None:
    """The empty files that stand for what the parent has are never stored."""
    restic_lab.repository.prepare(restic_lab.host, job="1", cancel=None)
    first = store(restic_lab, 1)
    for index in (place / "vault" / "index").iterdir():
        index.unlink()
    largest = max((place / "vault" / "data").glob("*/*"), key=lambda path: path.stat().st_size)
    largest.unlink()
    environment = {"RESTIC_PASSWORD": PASSWORD, "PATH": "/usr/bin:/bin", "HOME": str(place)}
    subprocess.run(
        ["restic", "--no-cache", "-r", place / "vault", "rebuild-index"], check=True, env=environment, capture_output=True
    )
    with pytest.raises(ConflictError, match="is not there whole"):
        store(restic_lab, 2, first)
    assert restic_lab.repository.find(restic_lab.host, "job-2", job="3", cancel=None) == ""


def _flip(pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 1
    pack.write_bytes(data)


@pytest.mark.parametrize(("where", "spoil"), [("index", _flip), ("snapshots", _flip), ("index", Path.unlink)])
def test_what_is_spoilt_in_a_repository_is_damage(
    restic_lab: RepositoryLab, place: Path, where: str, spoil: Callable[[Path], None]
) -> None:
    restic_lab.repository.prepare(restic_lab.host, job="1", cancel=None)
    stored = store(restic_lab, 1)
    for file in (place / "vault" / where).iterdir():
        file.chmod(0o600)
        spoil(file)
    with pytest.raises(DamagedError):
        fetch(restic_lab, stored, restic_lab.host)


def test_a_place_where_nothing_can_be_put_is_no_damage(restic_lab: RepositoryLab) -> None:
    restic_lab.repository.prepare(restic_lab.host, job="1", cancel=None)
    stored = store(restic_lab, 1)
    with pytest.raises(CommandError) as refused:
        restic_lab.repository.fetch(
            restic_lab.host, stored.snapshot, "/proc/nothing", stored.files, job="2", progress=None, cancel=None
        )
    assert not isinstance(refused.value, DamagedError)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ignoring error for /disk.0.0: StreamPack: ReadFull: unexpected EOF\nFatal: There were 2 errors", True),
        ("ignoring error for /: ReadFull(<data/613e2232cd>): open r/data/61/613e: no such file or directory", True),
        ("ignoring error for /disk.0.0: StreamPack: file does not exist", True),
        ("decrypting blob 35edb56a failed: ciphertext verification failed", True),
        ("Fatal: load <index/2ebe1dfe3e>: invalid data returned", True),
        ("ignoring error for /: id d1f2a8ac not found in repository", True),
        ("ignoring error for /src/b: UtimesNano: no such file or directory\nFatal: There were 6 errors", False),
        ("ignoring error for /src/a: write /t/src/a: file too large", False),
        ("Fatal: unable to open repository: unable to start the sftp session, error: EOF", False),
        ("signal: killed", False),
        ("", False),
    ],
)
def test_restics_words_for_damage_are_known(words: str, found: bool) -> None:
    assert bool(damage(words)) is found
