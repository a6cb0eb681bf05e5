"""Servers as people write them."""

from __future__ import annotations

import pytest

from nebula.errors import UsageError
from nebula.model.server import Server, server_of


@pytest.mark.parametrize(
    ("text", "server", "printed"),
    [
        ("nas", Server("root", "nas", 22), "root@nas"),
        ("backup@nas.home:2222", Server("backup", "nas.home", 2222), "backup@nas.home:2222"),
        ("u1234-sub1@10.0.0.9:22", Server("u1234-sub1", "10.0.0.9", 22), "u1234-sub1@10.0.0.9"),
        ("backup@[fd00::10]:23", Server("backup", "fd00::10", 23), "backup@[fd00::10]:23"),
        ("[::1]", Server("root", "::1", 22), "root@[::1]"),
    ],
)
def test_what_is_one(text: str, server: Server, printed: str) -> None:
    found = server_of(text)
    assert (found, str(found), server_of(str(found))) == (server, printed, server)


@pytest.mark.parametrize(
    "text",
    [
        *("", "fd00::10", "[nas]", "nas:0", "nas:65536", "nas:", "a b", "-oProxyCommand=x", "x@-n", "nas/dir", "sftp://nas"),
        *("n;id", "[fd00::1%eth0]", "u@@nas", "nas\n", "$(id)@nas", "n" * 300),
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="no server"):
        server_of(text)
