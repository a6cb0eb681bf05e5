"""Linear regression for a quantile: what line lies above a share q of the outcomes, with the least total deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEPS, _CLOSE, _RIDGE = 30, 1e-4, 1e-5


def pinball(outcome: Floats, forecast: Floats, q: float) -> Floats:
    """The loss whose expectation the q-quantile makes least: q times what was above it, 1 - q times what was below."""
    off = outcome - forecast
    loss: Floats = np.maximum(q * off, (q - 1) * off)
    return loss


def fit(inputs: Floats, outcome: Floats, q: float) -> Floats:
    """(P,) coefficients for inputs (M, P) and outcomes (M,), by iteratively reweighted least squares: each step weighs an
    error by its side of the line over its size, which turns squares into absolute deviations (Schlossmacher 1973).
    """
    scale = np.maximum(np.abs(inputs).max(axis=0), 1e-9)
    scaled = inputs / scale
    ridge = _RIDGE * np.eye(scaled.shape[1])
    found: Floats = np.linalg.solve(scaled.T @ scaled / len(outcome) + ridge, scaled.T @ outcome / len(outcome))
    for _ in range(_STEPS):
        off = outcome - scaled @ found
        least = max(1e-3 * float(np.abs(off).mean()), 1e-9)
        weight = np.where(off >= 0, q, 1 - q) / np.maximum(np.abs(off), least)
        weighted = scaled * weight[:, None]
        norm = float(weight.mean())
        following = np.linalg.solve(weighted.T @ scaled / len(outcome) + ridge * norm, weighted.T @ outcome / len(outcome))
        if float(np.abs(following - found).max()) < _CLOSE * max(1.0, float(np.abs(found).max())):
            found = following
            break
        found = following
    line: Floats = found / scale
    return line
