"""What two hosts' words about a migrated domain mean."""

from __future__ import annotations

import pytest

from nebula.drivers.hypervisor.libvirt.migration_outcome import moved
from nebula.model.domain import DomainReality, DomainState

RUNNING = ("running", "booted")
STOPPED = ("paused", "migration")
LEFT = ("shutoff", "migrated")
CRASHED = ("shutoff", "crashed")
COMING = ("paused", "migration", True)


def reality(words: tuple[str, str] | tuple[str, str, bool] | None) -> DomainReality | None:
    """What a host says of it."""
    if words is None:
        return None
    return DomainReality(
        uuid="u", name="one-1", state=DomainState(words[0]), reason=words[1], persistent=True, incoming=len(words) > 2
    )


@pytest.mark.parametrize(
    ("here", "there", "is_moved"),
    [
        (None, RUNNING, True),
        (LEFT, RUNNING, True),
        (STOPPED, RUNNING, True),
        (None, CRASHED, True),
        (None, ("shutoff", "shutdown"), True),
        (LEFT, CRASHED, True),
        (RUNNING, None, False),
        (RUNNING, COMING, False),
        (STOPPED, COMING, False),
        (STOPPED, None, False),
        (RUNNING, CRASHED, False),
        (STOPPED, CRASHED, False),
        (CRASHED, CRASHED, False),
        (None, COMING, False),
        (None, None, False),
    ],
)
def test_whose_the_domain_is(
    here: tuple[str, str] | None, there: tuple[str, str] | tuple[str, str, bool] | None, is_moved: bool
) -> None:
    assert moved(reality(here), reality(there)) is is_moved
