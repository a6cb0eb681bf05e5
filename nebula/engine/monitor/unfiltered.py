"""Cards that run without the filters that they should have get them by a job: somebody flushed a host's rules, or the switch
that kept them was restarted.
"""

from __future__ import annotations

import logging

from nebula.engine.firewall.refresh import KIND
from nebula.engine.jobs.follow import follow
from nebula.engine.jobs.operations.filtering import wanted
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, NetworkRow
from nebula.errors import NebulaError

_log = logging.getLogger(__name__)


def filter_again(services: Services, host: HostRow) -> None:
    """Ask the host, if cards there should be filtered; file what is missing."""
    read = services.store.read()
    drivers = {row.driver for row in read.select(NetworkRow)}
    asked = {name: cards for name in sorted(drivers) if (cards := wanted(read, host.id, (name,)))}
    try:
        networks = {network for name, cards in asked.items() for network in _missing(services, host, name, cards)}
    except NebulaError as error:
        _log.warning("whether host %s filters its cards is not known: %s", host.name, error)
        return
    if networks:
        services.store.write(lambda tx: [follow(tx, services, KIND, ("network", number), "") for number in sorted(networks)])


def _missing(services: Services, host: HostRow, driver: str, cards: dict[str, int]) -> set[int]:
    """Networks of cards that are there, and that nothing filters."""
    network, handle = services.pool.network(driver), services.pool.handle(host)
    there = set(network.taps(handle)).difference(network.filtered(handle))
    return {cards[tap] for tap in there.intersection(cards)}
