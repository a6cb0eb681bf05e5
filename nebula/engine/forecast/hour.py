"""The coming hour of many series: a target (its mean, its last value, its peak), several forecasters, and their mixture.

Forecasters: levels of the last minutes and hours, the same hour of former days, and lines through all of these that are fitted
anew now and then over all series together. Nothing about the data is assumed: a daily pattern counts for a series if looking
at yesterday lost less than not looking.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from nebula.engine.forecast.mixture import Mixture
from nebula.engine.forecast.quantile import Floats, fit
from nebula.engine.forecast.window import ALL, DAILY, DAY, HORIZON, KEPT, RECENT, SHORT, Singles, Window

Kind = Literal["next", "later", "mean", "peak"]
"""The next slot; the last one of the hour; the hour's mean; its highest slot."""
_FIT_SLOTS = 24
"""Lines are fitted again after so many slots: two hours."""
_SAMPLES = 15_000
"""Pairs of inputs and outcome that a fit uses at most."""
_LEAST_SAMPLES = 200
_LEARNED = 2 * DAY
"""Slots of the past from which a forecaster that was not there meanwhile learns what its forecasts would have missed."""
_OUTCOMES: dict[Kind, Callable[[Singles], Singles]] = {
    "next": lambda hour: hour[0],
    "later": lambda hour: hour[-1],
    "mean": lambda hour: hour.mean(axis=0, dtype=np.float64),
    "peak": lambda hour: hour.max(axis=0),
}
"""Of an hour's slots (12, M)."""
_NAMES = (*RECENT, *DAILY)
_PLACE = {name: index for index, name in enumerate(_NAMES)}
_PLAIN: dict[Kind, tuple[str, ...]] = {
    "next": ("last", "mean3", "mean12"),
    "later": ("last", "mean3", "mean12", "mean36"),
    "mean": ("last", "mean3", "mean12", "mean36"),
    "peak": ("max12", "max36", "high36"),
}
"""Forecasters that are a column of the inputs."""


class _Made(NamedTuple):
    """A forecast that waits for its outcome."""

    forecasts: Floats
    raw: Floats
    corrected: Floats


class Target:
    """One target with its quantile `q` (.5: the value that is as often above as below)."""

    def __init__(self, kind: Kind, q: float, seed: int = 0) -> None:
        self.kind, self.q = kind, q
        self._random = np.random.default_rng(seed)
        self._mixture = Mixture(len(_PLAIN[kind]) + 5, q)
        self._lines: dict[tuple[str, ...], Floats] = {}
        self._made: deque[_Made] = deque()
        self._since_fit = _FIT_SLOTS

    def grow(self, count: int) -> None:
        """More series."""
        self._mixture.grow(count)
        self._made = deque(_Made(*(_more(part, count) for part in made)) for made in self._made)

    def keep(self, rows: Sequence[int]) -> None:
        """Fewer series."""
        self._mixture.keep(rows)
        index = list(rows)
        self._made = deque(_Made(*(part[index] for part in made)) for made in self._made)

    def learn(self, window: Window, inputs: Floats) -> None:
        """A slot was pushed: the forecast that was made an hour before it is judged, and one is made for the next hour.

        `inputs`: what is known now, a column a name of `_NAMES`.
        """
        if len(self._made) == HORIZON:
            made = self._made.popleft()
            self._mixture.learn(made.forecasts, made.raw, made.corrected, self._outcome(window, HORIZON))
        self._since_fit += 1
        if self._since_fit >= _FIT_SLOTS:
            self._fit(window)
        self._made.append(self._make(window, 0, inputs))

    def begin(self, window: Window) -> None:
        """Forget all that was learned: the window was loaded anew."""
        self._mixture = Mixture(len(_PLAIN[self.kind]) + 5, self.q)
        self._mixture.grow(window.series)
        self._made.clear()
        self._fit(window)

    def look_back(self, window: Window, back: int, inputs: Floats) -> None:
        """Judge what would have been forecast `back` slots ago from these inputs; it stands for the hour around it. What is
        forecast now (`back` 0) waits for its outcome.
        """
        made = self._make(window, back, inputs)
        if not back:
            self._made.append(made)
            return
        self._mixture.learn(made.forecasts, made.raw, made.corrected, self._outcome(window, back), slots=HORIZON)

    def _outcome(self, window: Window, back: int) -> Floats:
        """(N,): what came in the hour after `back` slots ago; NaN of series that were not known then."""
        hour = window.span(back - HORIZON, HORIZON)
        return np.where(window.known > back, _OUTCOMES[self.kind](hour).astype(np.float64), np.nan)

    def _make(self, window: Window, back: int, inputs: Floats) -> _Made:
        forecasts = self._forecasts(window, back, inputs)
        corrected, raw = self._mixture.combine(forecasts)
        return _Made(forecasts, raw, corrected)

    def expect(self) -> Floats:
        """(N,): the newest forecast."""
        return np.maximum(self._made[-1].corrected, 0.0) if self._made else np.zeros(0)

    def _forecasts(self, window: Window, back: int, inputs: Floats) -> Floats:
        """(N, K): what each forecaster says, `back` slots ago."""
        column = {name: inputs[:, place] for name, place in _PLACE.items()}
        plain = [column[name] for name in _PLAIN[self.kind]]
        daily = window.known - back >= DAY + HORIZON
        safe = column["max36" if self.kind == "peak" else "last"]
        if self.kind == "peak":
            days = [np.maximum(column["max12"], column["yesterday"]), column["usual"]]
        else:
            days = [self._former(window, back, 1), self._former(window, back, 2)]
        plain += [np.where(daily, found, safe) for found in days]
        plain.append(column["last"] if self.kind == "peak" else column["mean12"])
        lines = [self._line(inputs, names, safe) for names in (RECENT, _NAMES)]
        lines[1] = np.where(daily, lines[1], lines[0])
        return np.stack([*plain, *lines], axis=1)

    def _former(self, window: Window, back: int, days: int) -> Floats:
        """What the target was on a former day; on the day before, where no more days are kept."""
        if KEPT - back - days * DAY < 0:
            days = 1
        return _OUTCOMES[self.kind](window.former(ALL, back, days)).astype(np.float64)

    def _line(self, inputs: Floats, names: tuple[str, ...], otherwise: Floats) -> Floats:
        line = self._lines.get(names)
        if line is None:
            return otherwise
        return np.asarray(np.maximum(inputs[:, : len(names)] @ line, 0.0), dtype=np.float64)

    def _fit(self, window: Window) -> None:
        """Lines through a sample of what is kept."""
        self._since_fit = 0
        for names, need in ((RECENT, SHORT), (_NAMES, DAY + HORIZON)):
            inputs, outcome = self._sample(window, names, need)
            if len(outcome) >= _LEAST_SAMPLES:
                self._lines[names] = fit(inputs, outcome, self.q)

    def _sample(self, window: Window, names: tuple[str, ...], need: int) -> tuple[Floats, Floats]:
        """Inputs and outcomes at moments of the past, evenly over series and time."""
        deepest = min(KEPT - need, window.slots) - 1
        if deepest <= HORIZON:
            return np.zeros((0, len(names))), np.zeros(0)
        moments = np.unique(np.linspace(HORIZON, deepest, 48).astype(np.int64))
        inputs, outcomes = [], []
        for back in moments:
            rows = np.flatnonzero(window.known >= back + need)
            if not len(rows):
                continue
            most = max(1, _SAMPLES // len(moments))
            chosen = rows if len(rows) <= most else np.sort(self._random.choice(rows, most, replace=False))
            inputs.append(window.inputs(chosen, int(back), names))
            outcomes.append(_OUTCOMES[self.kind](window.span(int(back) - HORIZON, HORIZON, chosen)).astype(np.float64))
        if not inputs:
            return np.zeros((0, len(names))), np.zeros(0)
        return np.concatenate(inputs), np.concatenate(outcomes)


def _more(part: Floats, count: int) -> Floats:
    return np.concatenate([part, np.zeros((count, *part.shape[1:]))])


class HourAhead:
    """The coming hour of N series, slot by slot."""

    def __init__(self, targets: Sequence[tuple[Kind, float]] = (("mean", 0.5), ("peak", 0.9)), seed: int = 0) -> None:
        self.window = Window()
        self.targets = {kind: Target(kind, q, seed) for kind, q in targets}

    def grow(self, count: int) -> None:
        """So many more series, behind those there are."""
        self.window.grow(count)
        for target in self.targets.values():
            target.grow(count)

    def keep(self, rows: Sequence[int]) -> None:
        """Only these series, in this order."""
        self.window.keep(rows)
        for target in self.targets.values():
            target.keep(rows)

    def observe(self, values: Floats) -> None:
        """(N,): one more slot of 5 minutes; NaN: not measured."""
        self.window.push(np.asarray(values, dtype=np.float64))
        inputs = self.window.inputs(ALL, 0, _NAMES)
        for target in self.targets.values():
            target.learn(self.window, inputs)

    def load(self, values: Singles, stopped: Callable[[], bool] = lambda: False) -> None:
        """(KEPT, N), the newest slot last, NaN where nothing was measured: in place of all that was known.

        What the slots would have taught one by one is learned from an hour in twelve of the last two days: hours that overlap
        tell nearly the same. Once `stopped` says so, no more is learned.
        """
        self.window.load(values)
        for target in self.targets.values():
            target.begin(self.window)
        oldest = int(min(self.window.known.max(initial=0), _LEARNED))
        for back in range(oldest // HORIZON * HORIZON, -1, -HORIZON):
            if stopped():
                return
            inputs = self.window.inputs(ALL, back, _NAMES)
            for target in self.targets.values():
                target.look_back(self.window, back, inputs)

    def expect(self, kind: Kind) -> Floats:
        """(N,): what the target will be; 0 before the first slot."""
        found = self.targets[kind].expect()
        return found if len(found) == self.window.series else np.zeros(self.window.series)
