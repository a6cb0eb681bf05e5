"""Keys of hosts in documents: by the line or by the fingerprint, however a person copied them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from nebula.engine.declare.kinds.host import Hosts
from nebula.engine.declare.values import changes
from nebula.engine.store.rows import HostRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError
from nebula.transport.hostkeys import host_key

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO7o8z0cYVtBBYQGVHgRc9pkQnUDMUEJyH5nOZPp6xNq"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ROW = HostRow(name="a1", cluster_id=1, state=2, transport="ssh", address="a1.lan", body={"host_keys": [KEY]})
NOBODY = cast("Queries", None)
"""No question is asked of the database about keys."""


def differing(document: dict[str, Any]) -> list[str]:
    kind = Hosts()
    after = kind.canonical(NOBODY, document, ROW)
    before = kind.canonical(NOBODY, {"host_keys": [KEY]}, ROW)
    return [change.path for change in changes({key: before[key] for key in after if key in before}, after, kind.hidden)]


def test_a_key_is_the_same_with_and_without_its_comment() -> None:
    assert differing({"host_keys": [KEY]}) == []
    assert differing({"host_keys": f"{KEY} root@a1"}) == []
    assert differing({"host_keys": [OTHER]}) == ["host_keys[0]"]
    with pytest.raises(UsageError, match="public key"):
        differing({"host_keys": ["ssh-ed25519 rubbish"]})


def test_a_fingerprint_is_compared_with_the_keys_that_are_pinned() -> None:
    found = host_key(KEY).fingerprint
    assert differing({"fingerprint": found}) == []
    assert differing({"fingerprint": found.removeprefix("SHA256:")}) == []
    assert differing({"fingerprint": host_key(OTHER).fingerprint}) == ["fingerprint"]


def test_one_that_was_never_looked_at_well_is_in_trouble() -> None:
    kind = Hosts()
    assert kind.trouble(ROW) == ""
    assert kind.trouble(HostRow(name="a1", cluster_id=1, state=3)) == "ERROR"
    assert kind.trouble(HostRow(name="a1", cluster_id=1, state=3, body={"facts": {"arch": "x86_64"}})) == ""
