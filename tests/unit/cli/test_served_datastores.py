"""Datastores of backups on a server: its host key is agreed on as a host's is, and the line to put there is said."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.transport.hostkeys import host_key
from tests.unit.drivers.datastore.conftest import Peers

from .conftest import Cli


@pytest.fixture(scope="module")
def server() -> Iterator[Peers]:
    with tempfile.TemporaryDirectory(prefix="nebula-server-") as directory:
        found = Peers(Path(directory))
        yield found
        found.close()


def words(name: str, server: Peers, *more: str) -> tuple[str, ...]:
    at = f"backup@127.0.0.1:{server.port}"
    return ("datastore", "create", name, "--type", "backup", "--driver", "sim", "--server", at, "--path", "/vault", *more)


def test_its_key_is_agreed_on_and_the_line_is_said(cli: Cli, server: Peers) -> None:
    fingerprint = host_key(server.public("host")).fingerprint
    nobody = cli(*words("vault", server))
    assert (nobody.status, f"--fingerprint {fingerprint}" in nobody.err) == (2, True), nobody.err
    other = cli(*words("vault", server, "--fingerprint", f"SHA256:{'A' * 43}"))
    assert (other.status, fingerprint in other.err) == (4, True), other.err
    made = cli(*words("vault", server, "--fingerprint", fingerprint))
    shown = json.loads(cli("datastore", "show", "vault", "-f", "json").out)
    assert shown["server"]["account"] == f"backup@127.0.0.1:{server.port}"
    assert shown["server"]["host_keys"] == [f"ssh-ed25519 {fingerprint}"]
    assert (made.status, shown["server"]["public_key"] in made.err.splitlines()) == (0, True), made.err
    assert "put this line into the authorized_keys of backup on 127.0.0.1" in made.err
    assert shown["server"]["public_key"] in cli("datastore", "show", "vault").out


def test_it_is_known_anew(cli: Cli, server: Peers) -> None:
    assert cli(*words("again", server, "--accept-new-key")).status == 0
    assert cli("datastore", "update", "again", "--fingerprint", f"SHA256:{'A' * 43}").status == 4
    known = host_key(server.public("host")).fingerprint
    assert cli("datastore", "update", "again", "--fingerprint", known, "--set", "RACK=7").status == 0
    assert cli("datastore", "update", "again", "--server", "backup@nas").status == 0
    shown = json.loads(cli("datastore", "show", "again", "-f", "json").out)
    assert (shown["server"]["account"], shown["attributes"]) == ("backup@nas", {"RACK": "7"})


@pytest.mark.parametrize(
    "line",
    [
        ("create", "none", "--server", "nas"),
        ("create", "none", "--type", "backup", "--path", "/v", "--ask-password"),
        ("create", "none", "--type", "backup", "--path", "/v", "--server", "fd00::1"),
        ("update", "demo-images", "--server", "nas"),
        ("update", "demo-images", "--ask-password"),
        ("update", "demo-images"),
    ],
)
def test_what_makes_no_sense(cli: Cli, line: tuple[str, ...]) -> None:
    refused = cli("datastore", *line)
    assert (refused.status, refused.out) == (2, ""), refused.err
