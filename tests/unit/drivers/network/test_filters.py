"""Filters of cards on Linux bridges, by this machine's kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.contract.filters import *  # noqa: F403
from tests.contract.network import OWNED, NetworkSubject
from tests.unit.drivers.network.conftest import subject
from tests.unit.drivers.network.guests import Guest, guest
from tests.unit.drivers.network.namespaces import Namespace, make


@pytest.fixture(scope="module")
def host() -> Iterator[Namespace]:
    yield from make()


@pytest.fixture(scope="module")
def network_subject(host: Namespace, tmp_path_factory: pytest.TempPathFactory) -> NetworkSubject:
    return subject(host, tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def guests(host: Namespace, network_subject: NetworkSubject) -> Iterator[tuple[Guest, Guest, Guest]]:
    network_subject.driver.prepare(network_subject.host, OWNED)
    with contextlib.ExitStack() as stack:
        made = [contextlib.contextmanager(guest)(host, OWNED, number) for number in (1, 2, 3)]
        web, app, other = (stack.enter_context(one) for one in made)
        yield web, app, other
