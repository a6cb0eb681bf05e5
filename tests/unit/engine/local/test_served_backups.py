"""Datastores of backups on a server that is no host: their keys, what is shown, changed and declared of them."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from nebula.engine.local.repositories import care_host
from nebula.engine.store.rows import DatastoreRow
from nebula.errors import UsageError
from nebula.transport.hostkeys import host_key
from tests.support.sim import CALL, Sim

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO7o8z0cYVtBBYQGVHgRc9pkQnUDMUEJyH5nOZPp6xNq"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
SPEC = {
    "name": "vault",
    "type": "backup",
    "driver": "sim",
    "path": "/volume1/backups",
    "server": "backup@nas",
    "host_keys": [KEY],
}


def row(sim: Sim, name: str = "vault") -> DatastoreRow:
    found = sim.engine.services.store.read().first(DatastoreRow, '"name"=?', (name,))
    assert found is not None
    return found


def test_each_has_a_key_pair_of_its_own_whose_private_half_is_shown_nowhere(sim: Sim, tmp_path: Path) -> None:
    for name in ("vault", "other"):
        sim.engine.datastores.create({**SPEC, "name": name, "password": "a word that nobody guesses"}, CALL)
    settings = row(sim).body["settings"]
    assert settings["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert settings["public_key"] != row(sim, "other").body["settings"]["public_key"]
    told = sim.engine.datastores.show("vault").body
    assert told["server"] == {
        "account": "backup@nas",
        "host_keys": [f"ssh-ed25519 {host_key(KEY).fingerprint}"],
        "public_key": settings["public_key"],
    }
    assert settings["public_key"].endswith(" nebula:vault")
    bundle = tmp_path / "support.tar.gz"
    sim.engine.system.support(str(bundle))
    secret = settings["private_key"].splitlines()[1]
    with tarfile.open(bundle) as archive:
        texts = [archive.extractfile(member).read().decode() for member in archive]  # type: ignore[union-attr]
    texts += [str(told), str(sim.engine.events.list()), str(sim.engine.declarations.export(["datastore"]))]
    assert any(settings["public_key"].split()[1] in text for text in texts)
    assert not [text for text in texts if secret in text or "a word that nobody" in text]


def test_any_host_looks_after_it(sim: Sim) -> None:
    sim.engine.datastores.create(SPEC, CALL)
    queries = sim.engine.services.store.read()
    assert care_host(queries, row(sim)).name == "h1"
    sim.engine.hosts.offline("h1", CALL)
    assert care_host(sim.engine.services.store.read(), row(sim)).name == "h2"


def test_its_server_is_moved_and_known_anew_with_the_same_key_pair(sim: Sim) -> None:
    sim.engine.datastores.create(SPEC, CALL)
    before = row(sim).body["settings"]
    sim.engine.datastores.update("vault", {"server": "backup@[fd00::9]:23"}, CALL)
    sim.engine.datastores.update("vault", {"host_keys": [f"{OTHER} root@nas"], "attributes": {"RACK": "7"}}, CALL)
    after = row(sim).body
    assert after["settings"] == {**before, "server": "backup@[fd00::9]:23", "host_keys": OTHER}
    assert after["attributes"] == {"RACK": "7"}


@pytest.mark.parametrize(
    "changed",
    [
        {"host_keys": []},
        {"host_keys": ["rubbish"]},
        {"server": "fd00::1"},
        {"server": ""},
        {"host": "h1"},
        {"type": "image", "driver": "ssh"},
        {"settings": {"private_key": "mine"}},
    ],
)
def test_what_makes_no_sense(sim: Sim, changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        sim.engine.datastores.create({**SPEC, **changed}, CALL)


def test_one_without_a_server_has_none_to_change(sim: Sim) -> None:
    sim.engine.datastores.create({"name": "plain", "type": "backup", "driver": "sim"}, CALL)
    for changes in ({"server": "nas"}, {"host_keys": [KEY]}):
        with pytest.raises(UsageError, match="is on no server"):
            sim.engine.datastores.update("plain", changes, CALL)
    with pytest.raises(UsageError, match="is on no server"):
        sim.engine.datastores.put_key("plain", "a password")
    assert "server" not in sim.engine.datastores.show("plain").body


def test_export_and_apply_are_the_identity(sim: Sim) -> None:
    sim.engine.datastores.create({**SPEC, "keep_last": "3", "password": "a word that nobody guesses"}, CALL)
    (document,) = [one.body for one in sim.engine.declarations.export(["datastore"]) if one.name == "vault"]
    assert document == {
        "kind": "datastore", "name": "vault", "type": "backup", "driver": "sim", "path": "/volume1/backups",
        "server": "backup@nas", "host_keys": [KEY], "settings": {"keep_last": "3"},
    }  # fmt: skip
    assert _differing(sim, document) == []
    assert _differing(sim, {**document, "fingerprint": host_key(KEY).fingerprint}) == []
    assert _differing(sim, {**document, "server": "backup@nas:22"}) == []
    changed = {**document, "server": "backup@nas2", "host_keys": [OTHER]}
    assert _differing(sim, changed) == ["host_keys[0]", "server"]
    sim.engine.declarations.make(changed, CALL)
    assert _differing(sim, changed) == []
    copy = {**document, "name": "copy", "settings": {"keep_last": "3", "password": "another word"}}
    sim.engine.declarations.make(copy, CALL)
    assert row(sim, "copy").body["settings"]["public_key"] != row(sim).body["settings"]["public_key"]


def test_opennebulas_names(sim: Sim) -> None:
    theirs = {"RESTIC_SFTP_SERVER": "nas", "RESTIC_SFTP_USER": "oneadmin", "RESTIC_PASSWORD": "a word that nobody guesses"}
    document: dict[str, Any] = {"kind": "datastore", "name": "vault", "type": "backup", "driver": "sim"}
    document |= {"path": "/volume1/backups", "host_keys": [KEY], "settings": theirs}
    sim.engine.declarations.make(document, CALL)
    settings = row(sim).body["settings"]
    assert (settings["server"], settings["password"]) == ("oneadmin@nas", "a word that nobody guesses")
    assert _differing(sim, document) == []


def _differing(sim: Sim, document: dict[str, Any]) -> list[str]:
    (found,) = sim.engine.declarations.compare([document])
    return [change.path for change in found.changes]
