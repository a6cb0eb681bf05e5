"""What a cluster's settings may be."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.machines.migration import travel
from nebula.engine.store.rows import ClusterRow
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim


def shown(sim: Sim) -> Any:
    return sim.engine.clusters.show("default").body["migration"]


def test_how_guests_migrate_is_set_shown_and_kept(sim: Sim) -> None:
    assert shown(sim) == {"tunnel": "ssh", "bandwidth_mib": 0}
    sim.engine.clusters.update("default", {"migration_tunnel": "plain", "migration_bandwidth": 100}, CALL)
    sim.engine.clusters.update("default", {"attributes": {"RACK": "7"}}, CALL)
    assert shown(sim) == {"tunnel": "plain", "bandwidth_mib": 100}
    way = travel(sim.engine.services.store.read().get(ClusterRow, sim.engine.clusters.show("default").id))
    assert (way.tunnel, way.bandwidth_mib) == ("plain", 100)


@pytest.mark.parametrize(
    "changes",
    [
        {"migration_tunnel": "smoke"},
        {"migration_tunnel": ""},
        {"migration_tunnel": ["ssh"]},
        {"migration_bandwidth": -1},
        {"migration_bandwidth": True},
        {"migration_bandwidth": "fast"},
        {"migration_bandwidth": 1 << 40},
        {"migration_speed": 3},
    ],
)
def test_what_means_nothing_is_refused_and_changes_nothing(sim: Sim, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        sim.engine.clusters.update("default", {"attributes": {"RACK": "7"}, **changes}, CALL)
    assert shown(sim) == {"tunnel": "ssh", "bandwidth_mib": 0}
    assert sim.engine.clusters.show("default").body["attributes"] == {}
