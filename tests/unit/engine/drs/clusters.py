"""Clusters for the planner's tests: made by hand, and drawn by hypothesis."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsHost, DrsSnapshot, DrsVm, Figures

CORES, MEMORY = 1000, 10_000
EAGER = DrsPolicy(policy="striping", budget_share=1.0, least_gain=0.0)


def host(number: int, **more: object) -> DrsHost:
    """Ten cores, 10,000 MiB."""
    fields = {"capacity": Figures(float(CORES), float(MEMORY)), "cpu_max": 10 * CORES, "memory_max": MEMORY, **more}
    return DrsHost(id=number, name=f"h{number}", **fields)  # type: ignore[arg-type]


def vm(number: int, on: int, cpu: float = 100.0, memory: int = 500, promised: int = 100, **more: object) -> DrsVm:
    """A VM that uses `cpu` hundredths of a core, and was promised others."""
    fields = {"mean": Figures(cpu, float(memory)), "copy_mib": float(memory), **more}
    return DrsVm(id=number, name=f"v{number}", host_id=on, cpu=promised, memory=memory, **fields)  # type: ignore[arg-type]


def cluster(hosts: list[DrsHost], vms: list[DrsVm], **more: object) -> DrsSnapshot:
    """At one moment."""
    return DrsSnapshot(cluster_id=1, cluster="lab", at=1000.0, hosts=tuple(hosts), vms=tuple(vms), **more)  # type: ignore[arg-type]


_WATTS = st.sampled_from([(), (90.0, 130.0), (100.0, 150.0, 250.0)])
_CORES = st.sampled_from([10 * CORES, 500])
_MEMORY, _PROMISED = st.integers(100, 3000), st.sampled_from([100, 100, 200])
_CPU, _SPREAD = st.floats(0, 800), st.floats(0, 100)
_HISTORY = st.just(()) | st.tuples(_CPU, _CPU, _CPU)
_KINDS = st.sampled_from(
    [
        *product(
            ["", "", "", "it is POWEROFF"],
            ["", "", "", "", "disk 0 has snapshots"],
            [0.0, 0.0, 30.0, 500.0],
            [0.0, 0.0, 1e-9, 40.0, 1e9],
        )
    ]
)
"""Why it is fixed, why it is bound, MiB that it writes and wrote."""


@st.composite
def clusters(draw: st.DrawFn) -> DrsSnapshot:
    """A cluster in which every VM is where it may be."""
    count = draw(st.integers(1, 6))
    closed = draw(st.sets(st.integers(1, count), max_size=count - 1))
    leaving = draw(st.sets(st.integers(1, count), max_size=1))
    hosts = [
        host(n, takes=n not in closed, leave="maintenance" if n in leaving else "", watts=draw(_WATTS), cpu_max=draw(_CORES))
        for n in range(1, count + 1)
    ]
    one_host, one_at_most = st.integers(1, count), st.sets(st.integers(1, count), max_size=1)
    allowing = st.none() | st.sets(one_host, max_size=count).map(lambda found: tuple(sorted(found)))
    vms: list[DrsVm] = []
    free = dict.fromkeys(range(1, count + 1), MEMORY)
    promisable = {one.id: one.cpu_max for one in hosts}
    for number in range(1, draw(st.integers(0, 24)) + 1):
        memory, on, cpu = draw(_MEMORY), draw(one_host), draw(_PROMISED)
        if free[on] < memory or promisable[on] < cpu:
            continue
        free[on] -= memory
        promisable[on] -= cpu
        fixed, bound, dirty, past = draw(_KINDS)
        vms.append(
            vm(
                number,
                on,
                draw(_CPU),
                memory,
                promised=cpu,
                spread=Figures(draw(_SPREAD), 0.0),
                fixed=fixed,
                bound=bound,
                allowed=draw(allowing),
                left=tuple(sorted(draw(one_at_most))),
                history=draw(_HISTORY),
                dirty_mib=dirty,
                past_mib=past,
            )
        )
    rules = {"apart": tuple(_apart(draw, vms)), "together": tuple(_together(draw, vms)), "reserve": draw(st.booleans())}
    return cluster(hosts, vms, **rules)


def _apart(draw: st.DrawFn, vms: list[DrsVm]) -> list[tuple[int, ...]]:
    """Groups that keep apart now."""
    chosen: dict[int, int] = {}
    for one in vms:
        if draw(st.booleans()):
            chosen.setdefault(one.host_id, one.id)
    return [tuple(chosen.values())] if len(chosen) > 1 else []


def _together(draw: st.DrawFn, vms: list[DrsVm]) -> list[tuple[int, ...]]:
    on: dict[int, list[int]] = {}
    for one in vms:
        on.setdefault(one.host_id, []).append(one.id)
    large = [members for members in on.values() if len(members) > 1]
    if not large or not draw(st.booleans()):
        return []
    return [tuple(large[draw(st.integers(0, len(large) - 1))][:2])]
