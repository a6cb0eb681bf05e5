"""A repository on a server that is no host: a plain sshd that gives nobody a shell. And what its refusals mean."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.repository.restic import ResticRepository
from nebula.drivers.repository.ways import served
from nebula.errors import DeniedError, HostKeyError, NebulaError, UnreachableError
from nebula.transport.keys import new_key_pair
from tests.contract.repository import RepositoryLab, fetch, store
from tests.unit.drivers.datastore.conftest import Peers, free_port, hosts, peers, place
from tests.unit.drivers.repository.test_restic import PASSWORD, Watched, put, seen, with_quick_key

__all__ = ["hosts", "peers", "place"]
PAIR = new_key_pair("nebula:vault")
OTHER = new_key_pair("nebula:other")


@pytest.fixture(scope="module")
def server() -> Iterator[Peers]:
    """It has SFTP and nothing else."""
    with tempfile.TemporaryDirectory(prefix="nebula-server-") as directory:
        found = Peers(Path(directory), "Subsystem=sftp internal-sftp", "ForceCommand=internal-sftp")
        (Path(directory) / "authorized").write_text(f"{PAIR.public_line}\n")
        yield found
        found.close()


Make = Callable[..., ResticRepository]
Hosts = tuple[HostHandle, HostHandle]


@pytest.fixture
def made(server: Peers, place: Path) -> Make:
    """The repository on it, with some of its settings changed."""

    def make(**changed: str) -> ResticRepository:
        settings = {
            "path": str(place / "vault"), "password": PASSWORD, "server": f"root@127.0.0.1:{server.port}",
            "host_keys": server.public("host"), "private_key": PAIR.private, "public_key": PAIR.public_line,
        }  # fmt: skip
        return ResticRepository(5, {**settings, **changed}, None)

    return make


def test_it_is_reached_by_this_ssh_alone() -> None:
    settings = {"server": "backup@[fd00::9]:23", "host_keys": OTHER.public_line, "private_key": "p", "public_key": "q"}
    way = served(5, settings, "/volume1/backups")
    assert way.location == "sftp://backup@[fd00::9]:23//volume1/backups"
    assert way.ssh("/w/job").split() == [
        *("ssh", "-F", "none", "-i", "/w/job.key", "-p", "23", "-o", "BatchMode=yes"),
        *("-o", "Ciphers=^aes128-gcm@openssh.com,aes256-gcm@openssh.com", "-o", "ConnectTimeout=10"),
        *("-o", "GlobalKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o", "ServerAliveInterval=15"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=/w/job.known_hosts", "-o", "IdentityAgent=none"),
        *("-o", "PreferredAuthentications=publickey", "-E", "/w/job.log", "-T", "-s", "backup@fd00::9", "sftp"),
    ]
    key = " ".join(OTHER.public_line.split()[:2])
    assert way.files() == {"key": "p", "known_hosts": f"fd00::9,[fd00::9]:* {key}\n"}


def test_what_is_stored_is_fetched_by_another_host_and_secrets_stay_nowhere(made: Make, hosts: Hosts, place: Path) -> None:
    watched = Watched("node1")
    host = msgspec.structs.replace(hosts[0], transport=watched)
    lab = RepositoryLab(made(), host, hosts[1], str(place / "work"), put, seen, lambda: None)
    assert [found.level for found in lab.repository.check(host, job="check-1")] == ["ok"], "a check makes it"
    with_quick_key(place / "vault", PASSWORD)
    first = store(lab, 1)
    second = store(lab, 2, first)
    assert second.added < first.added
    assert fetch(lab, second, hosts[1]) == [file.sha256 for file in second.files]
    secrets = [PASSWORD, *PAIR.private.splitlines()[1:-1]]
    lines = watched.__dict__["commands"]
    assert any("IdentityAgent=none" in line and "StrictHostKeyChecking=yes" in line for line in lines)
    assert not [line for line in lines if any(secret in line for secret in secrets)]
    assert list((place / "one" / "work").iterdir()) == []


def test_what_a_dead_engine_left_is_taken_away(made: Make, hosts: Hosts, place: Path) -> None:
    """Its files are there with a job's name, and whoever abandons that job takes them along."""
    work = place / "one" / "work"
    work.mkdir(parents=True)
    for end in ("password", "key", "known_hosts", "key.new", "out"):
        (work / f"job-7-restic-store.{end}").write_text("left")
    made().abandon(hosts[0], "7")
    assert list(work.iterdir()) == []


def refused(repository: ResticRepository, host: HostHandle) -> NebulaError:
    """What a check and a job alike say."""
    with pytest.raises(NebulaError) as checked:
        repository.check(host, job="check-2")
    with pytest.raises(NebulaError) as done:
        repository.prepare(host, job="2", cancel=None)
    assert (type(done.value), done.value.message, done.value.hint) == (
        type(checked.value), checked.value.message, checked.value.hint,
    )  # fmt: skip
    assert not list(Path(host.root).glob("work/*"))
    return checked.value


def test_another_host_key_is_refused(made: Make, server: Peers, hosts: Hosts) -> None:
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=server.public("host"), text=True, capture_output=True, check=True)
    error = refused(made(host_keys=" ".join(OTHER.public_line.split()[:2])), hosts[0])
    assert isinstance(error, HostKeyError)
    assert error.hint.endswith(f"nebula datastore update 5 --fingerprint {shown.stdout.split()[1]}")


def test_a_key_that_it_does_not_know_is_refused_with_the_line_to_add(made: Make, hosts: Hosts) -> None:
    error = refused(made(private_key=OTHER.private, public_key=OTHER.public_line), hosts[1])
    assert isinstance(error, DeniedError)
    assert OTHER.public_line in error.hint


def test_another_password_and_nobody_there(made: Make, hosts: Hosts, place: Path) -> None:
    made().prepare(hosts[0], job="1", cancel=None)
    with_quick_key(place / "vault", PASSWORD)
    assert "does not open with the datastore's password" in refused(made(password="another word"), hosts[0]).message
    gone = refused(made(server=f"root@127.0.0.1:{free_port()}"), hosts[0])
    assert isinstance(gone, UnreachableError)
    assert "Connection refused" in gone.cause


def test_a_directory_in_which_it_may_not_write(hosts: Hosts, place: Path) -> None:
    """As somebody whom the server lets read alone."""
    with tempfile.TemporaryDirectory(prefix="nebula-server-") as directory:
        server = Peers(Path(directory), "Subsystem=sftp internal-sftp", "ForceCommand=internal-sftp -R")
        (Path(directory) / "authorized").write_text(f"{PAIR.public_line}\n")
        settings = {
            "path": str(place / "vault"), "password": PASSWORD, "server": f"127.0.0.1:{server.port}",
            "host_keys": server.public("host"), "private_key": PAIR.private, "public_key": PAIR.public_line,
        }  # fmt: skip
        error = refused(ResticRepository(5, settings, None), hosts[0])
        server.close()
    assert error.message == f"root may not write to {place / 'vault'} on 127.0.0.1"


def test_a_server_without_sftp(hosts: Hosts, peers: Peers, place: Path) -> None:
    """The sshd of the hosts of these tests has no subsystem."""
    client = Path(hosts[0].root, "ssh", "id_ed25519").read_text()
    settings = {
        "path": str(place / "vault"), "password": PASSWORD, "server": f"127.0.0.1:{peers.port}",
        "host_keys": peers.public("host"), "private_key": client, "public_key": peers.public("client"),
    }  # fmt: skip
    assert "has no SFTP" in refused(ResticRepository(5, settings, None), hosts[0]).message
