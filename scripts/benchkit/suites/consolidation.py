"""Consolidation over PlanetLab's days in CloudSim's physics, both with its flaw and mended: LR-MMT 1.2, a floor, ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchkit import traces
from benchkit.consolidating import Ours
from benchkit.consolidation import VARIANTS, Day, Load, Outcome, Rule
from benchkit.figure import Figure
from benchkit.history_rule import HistoryRule
from benchkit.lrmmt import LrMmt
from benchkit.suite import Bench

NEEDS_DATA = True
NEEDS_PROGRAM = False
_MINUTES = 0.7
"""Of one processor for a day: most of it the floor where nobody is deleted."""
_RULES: dict[str, Callable[[], Rule]] = {"LR-MMT 1.2": LrMmt, "floor": HistoryRule, "ours": Ours}


def run(bench: Bench) -> Iterator[Figure]:
    """Every day that is there; `--days N`: the first N of them."""
    paths = traces.planetlab_days(bench.data)[: bench.days]
    bench.say(f"{len(paths)} days: about {len(paths) * _MINUTES:.0f} min of one processor; --days 1 is the first of them")
    for path in paths:
        load = Load.of(traces.planetlab(path))
        day = path.name.partition(".")[0]
        for variant in VARIANTS:
            found = {name: Day(load, variant).run(make()) for name, make in _RULES.items() if _fits(name, variant)}
            bench.say(f"{day}, {variant}: " + "; ".join(f"{name} {one.kwh:.1f} kWh" for name, one in found.items()))
            yield from _figures(f"{day}, {variant}", found)


def _fits(name: str, variant: str) -> bool:
    """LR-MMT is what CloudSim does, flaw included: it is there for calibration."""
    return name != "LR-MMT 1.2" or variant == "flawed"


def _figures(name: str, found: dict[str, Outcome]) -> Iterator[Figure]:
    for rule, outcome in found.items():
        yield Figure(f"{name}, {rule}: energy", "kWh", [outcome.kwh])
        yield Figure(f"{name}, {rule}: migrations", "", [float(outcome.moves)])
        yield Figure(f"{name}, {rule}: active hosts' time with too little (SLATAH)", "%", [outcome.slatah * 100])
        yield Figure(f"{name}, {rule}: work lost by migrations (PDM)", "ppm", [outcome.pdm * 1e6])
        yield Figure(f"{name}, {rule}: energy x violations (ESV)", "1e-6", [outcome.esv * 1e6])
