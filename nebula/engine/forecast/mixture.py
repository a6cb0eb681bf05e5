"""Which of several forecasters is believed, series by series, by what each of them missed lately; and a correction that keeps
the coverage.

A forecaster's weight falls exponentially with how much more it lost than the best one (the exponentially weighted forecaster
of Littlestone and Warmuth). What a series has not lived long enough to tell comes from all series together. On top of the
mixture, a margin grows a little with every outcome above it and shrinks with every one below, so that the share above settles
at 1 - q (adaptive conformal inference, Gibbs and Candès 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nebula.engine.forecast.quantile import Floats, pinball

MEMORY = 576.0
"""Slots after which a loss counts half."""
PRIOR = 100.0
"""Slots of its own that a series needs to be believed as much as all together."""
SHARPNESS = 20.0
LEARNING = 0.02
_LEAST = 1e-9
_MEDIAN = 0.5
"""Of which no coverage is asked, so it gets no margin."""


class Mixture:
    """For one quantile `q`; `count` forecasters. Not for concurrent use."""

    def __init__(self, count: int, q: float) -> None:
        self.q = q
        self._count = count
        self._loss: Floats = np.zeros((0, count))
        self._margin: Floats = np.zeros(0)
        self._scale: Floats = np.zeros(0)
        self._seen: Floats = np.zeros(0)
        self._pooled: Floats = np.zeros(count)
        self._slots = 0.0

    def grow(self, count: int) -> None:
        """So many more series; they begin with the margin of the others."""
        fresh = float(self._margin.mean()) if len(self._margin) else 0.0
        self._loss = np.concatenate([self._loss, np.zeros((count, self._count))])
        self._margin = np.concatenate([self._margin, np.full(count, fresh)])
        self._scale = np.concatenate([self._scale, np.zeros(count)])
        self._seen = np.concatenate([self._seen, np.zeros(count)])

    def keep(self, rows: Sequence[int]) -> None:
        """Only these series, in this order."""
        index = list(rows)
        self._loss, self._margin = self._loss[index], self._margin[index]
        self._scale, self._seen = self._scale[index], self._seen[index]

    def combine(self, forecasts: Floats) -> tuple[Floats, Floats]:
        """(N,) with the margin, and (N,) without, from forecasts (N, K)."""
        raw = np.asarray((forecasts * self._weights()).sum(axis=1), dtype=np.float64)
        trust = self._seen / (self._seen + PRIOR)
        mean = float(self._margin.mean()) if len(self._margin) else 0.0
        return raw + (trust * self._margin + (1 - trust) * mean) * self._scale, raw

    def learn(self, forecasts: Floats, raw: Floats, corrected: Floats, outcome: Floats, slots: int = 1) -> None:
        """What came of an earlier `combine`: its forecasts, its two answers, and the outcome ((N,), NaN: not known). `slots`:
        how many slots it stands for.
        """
        known = ~np.isnan(outcome)
        decay = 0.5 ** (slots / MEMORY)
        loss = np.where(known[:, None], np.nan_to_num(pinball(outcome[:, None], forecasts, self.q)), 0.0)
        self._loss = self._loss * decay + slots * loss
        self._seen = self._seen * decay + slots * known
        self._pooled = self._pooled * decay + (slots * loss.mean(axis=0) if len(loss) else 0.0)
        self._slots = self._slots * decay + slots
        keep = 0.97**slots
        off = np.abs(np.nan_to_num(outcome - raw))
        self._scale = np.where(known, np.where(self._scale > 0, off + keep * (self._scale - off), off), self._scale)
        above = np.nan_to_num(outcome) > corrected + _LEAST
        step = slots * LEARNING * (above - (1 - self.q)) if self.q != _MEDIAN else 0.0
        self._margin = np.where(known, np.maximum(self._margin + step, -1.0), self._margin)

    def _weights(self) -> Floats:
        """(N, K), each row adds up to 1."""
        best = float(self._pooled.min()) if self._slots else 0.0
        ratio = self._pooled / best if best > _LEAST else np.ones(self._count)
        own = self._loss.mean(axis=1, keepdims=True) / np.maximum(self._seen, 1.0)[:, None]
        joint = self._loss + PRIOR * np.maximum(own, _LEAST) * ratio[None]
        least = joint.min(axis=1, keepdims=True)
        weight: Floats = np.exp(-SHARPNESS * (joint - least) / np.maximum(least, _LEAST))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)
