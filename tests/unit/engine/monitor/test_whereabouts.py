"""Who runs a domain, by what the hosts were last seen to run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.monitor.whereabouts import Whereabouts
from nebula.engine.store.rows import HostRow

HOSTS = {number: HostRow(id=number, name=f"h{number}", cluster_id=1, state=2) for number in (1, 2, 3)}
UUIDS = ("a", "b", "c")
LOOK = st.tuples(st.sampled_from(sorted(HOSTS)), st.one_of(st.none(), st.frozensets(st.sampled_from(UUIDS))))


@given(st.lists(LOOK))
def test_it_says_what_looking_through_all_hosts_would(looks: list[tuple[int, frozenset[str] | None]]) -> None:
    where, model = Whereabouts(), dict[int, frozenset[str]]()
    for host_id, alive in looks:
        if alive is None:
            where.forget(host_id)
            model.pop(host_id, None)
        else:
            where.seen(HOSTS[host_id], alive)
            model[host_id] = alive
    for host_id in HOSTS:
        for uuid in UUIDS:
            others = {HOSTS[other].name for other, alive in model.items() if uuid in alive and other != host_id}
            here = uuid in model.get(host_id, ())
            found = where.elsewhere(host_id, uuid)
            assert (found in others) if others and not here else found == ""


def test_a_renamed_host_is_told_by_its_new_name() -> None:
    where = Whereabouts()
    where.seen(HOSTS[1], frozenset("a"))
    where.seen(HostRow(id=1, name="new", cluster_id=1, state=2), frozenset("a"))
    assert where.elsewhere(2, "a") == "new"
