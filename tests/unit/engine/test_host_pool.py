"""Live hosts: one handle each, made anew when the row says so, never back to an older row."""

from __future__ import annotations

from nebula.engine.hosts import HostPool
from nebula.engine.store.rows import HostRow
from nebula.transport.base import Transport
from tests.support.sim import Sim


def row(generation: int, address: str) -> HostRow:
    return HostRow(
        id=1, name="h1", cluster_id=1, state=2, driver="sim", transport="sim", generation=generation, address=address
    )


def test_a_row_that_is_older_than_the_handle_changes_nothing(bare: Sim) -> None:
    made: list[str] = []

    def transport(host: HostRow) -> Transport:
        made.append(host.address)
        return bare.engine.services.transports(host)

    pool = HostPool(transport)
    first = pool.handle(row(1, "a"))
    assert pool.handle(row(2, "a")) is first
    second = pool.handle(row(3, "b"))
    assert second is not first
    assert pool.handle(row(2, "a")) is second, "a job that read the row long ago"
    assert pool.handle(row(4, "b")) is second
    assert made == ["a", "b"]
    pool.close()
