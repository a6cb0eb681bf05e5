"""Keys between hosts: every host of a home may reach every other one for migrations and copies, with pinned host keys."""

from __future__ import annotations

from collections.abc import Callable

from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow
from nebula.errors import UnreachableError

Say = Callable[[str, str], None]


def introduce(services: Services, row: HostRow, say: Say) -> None:
    """Give the host a key of its own and make it and its peers known to each other.

    A peer that does not answer is left out, with a line in the log: the next setup of either host brings it in.
    """
    if row.transport == "sim":
        return
    from nebula.transport.peers import ensure_peer_key

    peers = _peers(services, row)
    if not peers and row.transport == "local" and not row.address:
        return
    own = ensure_peer_key(services.pool.handle(row).transport, services.pool.handle(row).root)
    _write_known(services, row, [row, *peers])
    for peer in peers:
        try:
            _acquaint(services, row, own, peer, [row, *peers])
        except UnreachableError as error:
            say(f"peer {peer.name} does not answer, it was left out: {error}", "warning")


def _acquaint(services: Services, row: HostRow, own: str, peer: HostRow, everybody: list[HostRow]) -> None:
    from nebula.transport.peers import authorize_peer, ensure_peer_key

    here, there = services.pool.handle(row), services.pool.handle(peer)
    theirs = ensure_peer_key(there.transport, there.root)
    authorize_peer(there.transport, _tag(row), own, [row.address], peer.user)
    authorize_peer(here.transport, _tag(peer), theirs, [peer.address], row.user)
    _write_known(services, peer, everybody)


def part(services: Services, row: HostRow, say: Say, *, here: bool = True) -> None:
    """Take the host's key back from its peers, and theirs from it; its own key goes. Not `here`: the host itself is left."""
    if row.transport == "sim":
        return
    from nebula.transport.peers import forget_peer_key, revoke_peer

    peers = _peers(services, row)
    for peer in peers:
        try:
            revoke_peer(services.pool.handle(peer).transport, _tag(row))
        except UnreachableError as error:
            say(f"peer {peer.name} does not answer, the key of {row.name} stays there: {error}", "warning")
    if not here:
        return
    handle = services.pool.handle(row)
    for peer in peers:
        revoke_peer(handle.transport, _tag(peer))
    forget_peer_key(handle.transport, handle.root)


def _tag(row: HostRow) -> str:
    """By what a host's key is known at its peers: not by its name, which may change and be given to another."""
    return str(row.body.get("peer_tag") or row.name)


def _peers(services: Services, row: HostRow) -> list[HostRow]:
    rows = services.store.read().select(HostRow, '"id"<>? ORDER BY "id"', (row.id,))
    return [peer for peer in rows if peer.transport != "sim" and peer.address and peer.body.get("facts")]


def _write_known(services: Services, row: HostRow, everybody: list[HostRow]) -> None:
    from nebula.transport.peers import write_known_hosts

    handle = services.pool.handle(row)
    known = {
        peer.address: "\n".join(peer.body.get("host_keys", ())) for peer in everybody if peer.address and peer.id != row.id
    }
    write_known_hosts(handle.transport, handle.root, known)
