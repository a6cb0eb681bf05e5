"""Measurements over time, and what is expected next: the mean, and the band up to the peak that is rarely passed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.widgets import Static

from nebula.cli.output.values import human
from nebula.errors import NebulaError
from nebula.tui.drawing import Drawing

if TYPE_CHECKING:
    from textual_hires_canvas import HiResMode
    from textual_plot import AxisFormatter

    from nebula.engine.api.verbs import Engine
    from nebula.tui.link import Link

_HOUR = 3600.0
SPANS: Mapping[int, Sequence[float]] = {6: (-6, -4, -2, 0, 1), 24: (-24, -18, -12, -6, 0), 1: (-1, -0.5, 0, 0.5, 1)}
"""Hours that charts go back, and what is written below them; the first is what one sees first."""
_SLOT, _AS_MEASURED = 300, 0
"""Steps of a series."""
_CALM_COLOUR, _BAND_COLOUR, _PEAK_COLOUR = "green", "yellow", "red"
_FIGURES = (
    ("cpu", "cpu"), ("memory", "mib"), ("disk_read", "rate"), ("disk_write", "rate"), ("net_rx", "rate"), ("net_tx", "rate"),
    ("cpu_pressure", "share"), ("io_pressure", "share"),
)  # fmt: skip
"""What is drawn, and how its values are shown."""


LEAST: Mapping[str, float] = {"cpu": 10.0, "mib": 16.0, "rate": 0.06, "share": 0.05}
"""Up to where a scale goes at least: a finer one would have the same figure twice, and noise would look like load."""


class Series(NamedTuple):
    """One figure: when, its means; `mean` and `peak`: what the coming hour will bring, None while nobody knows."""

    name: str
    show: str
    at: Sequence[float]
    values: Sequence[float]
    mean: float | None = None
    peak: float | None = None


def read(engine: Engine, kind: str, key: int, now: float, hours: int = 24) -> list[Series]:
    """The last hours of one VM or host, the slot under way as it was measured, and the forecast."""
    listing = engine.metrics.series(kind, str(key), now - hours * _HOUR, _SLOT)
    ended = listing.rows[-1][0] + _SLOT if listing.rows else now - hours * _HOUR
    measured = [*listing.rows, *engine.metrics.series(kind, str(key), ended, _AS_MEASURED).rows]
    hour: Mapping[str, Any] = {}
    with suppress(NebulaError):
        hour = engine.drs.forecast(kind, str(key)).body.get("hour") or {}
    scale = _capacity(engine, key) if kind == "host" else {}
    found = []
    for name, show in _FIGURES:
        if name not in listing.columns:
            continue
        place = listing.columns.index(name)
        rows = [(row[0], row[place]) for row in measured if row[place] is not None]
        expected = hour.get(name, {})
        mean, peak = (expected[word] * scale.get(name, 1) if word in expected else None for word in ("mean", "peak"))
        found.append(Series(name, show, [row[0] for row in rows], [row[1] for row in rows], mean, peak))
    return found


def _capacity(engine: Engine, key: int) -> dict[str, float]:
    """A host's forecast is a share of what it has."""
    from nebula.engine.api.tables import Query

    query = Query(columns=("cpu_total", "memory_total"), filters=(("id", "=", str(key)),))
    rows = engine.hosts.list(query).rows
    return {"cpu": rows[0][0], "memory": rows[0][1]} if rows else {}


def mode(environ: Mapping[str, str]) -> HiResMode:
    """Braille, or blocks where a terminal draws braille badly: the console, or NEBULA_CHARTS=block."""
    from textual_hires_canvas import HiResMode

    blocks = environ.get("NEBULA_CHARTS") == "block" or environ.get("TERM") in {"linux", "vt100", "vt220"}
    return HiResMode.QUADRANT if blocks else HiResMode.BRAILLE


def amounts(show: str) -> AxisFormatter:
    """Round numbers of the unit, as lists write them."""
    from textual_plot import NumericAxisFormatter

    class Amounts(NumericAxisFormatter):
        def get_ticks(self, min_: float, max_: float, max_ticks: int = 4) -> list[float]:
            return super().get_ticks(min_, max_, min(max_ticks, 4))

        def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
            return [human(show, tick, 0) for tick in ticks]

    return Amounts()


def hours_from_now() -> AxisFormatter:
    """-6h, -30m, now, +1h."""
    from textual_plot import NumericAxisFormatter

    class Hours(NumericAxisFormatter):
        def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
            return ["now" if not tick else f"{tick:+.0f}h" if tick == round(tick) else f"{60 * tick:+.0f}m" for tick in ticks]

    return Hours()


def band(mean: float, peak: float, dots: int) -> tuple[list[float], list[float]]:
    """The area between both in the coming hour, as one line up and down `dots` times, which is a line a dot or more."""
    steps = max(1, dots)
    hours = [step / steps for step in range(steps + 1) for _ in (0, 1)]
    ends = ((mean, peak), (peak, mean))
    return hours, [value for step in range(steps + 1) for value in ends[step % 2]]


class Charts(Drawing):
    """The figures of one VM or host."""

    DEFAULT_CSS = """
    Charts .chart--title { height: 1; text-style: bold; }
    Charts PlotWidget { height: 8; }
    Charts PlotWidget > .plot--axis { color: $primary; }
    Charts PlotWidget > .plot--tick { color: $foreground; text-style: none; }
    """

    def __init__(self, link: Link, kind: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._link, self._kind, self._clock = link, kind, clock
        self._hours = next(iter(SPANS))

    def next_span(self) -> int:
        """Go back so far instead; hours."""
        spans = list(SPANS)
        self._hours = spans[(spans.index(self._hours) + 1) % len(spans)]
        return self._hours

    async def show(self, key: int) -> None:
        """Draw them."""
        now, hours = self._clock(), self._hours
        try:
            found = await self._link.ask(lambda engine: read(engine, self._kind, key, now, hours))
        except NebulaError as error:
            await self._say(str(error))
            return
        drawn = [series for series in found if series.values and (series.name in {"cpu", "memory"} or any(series.values))]
        if not drawn:
            await self._say("nothing is measured yet: it runs not, or no engine has looked twice")
            return
        if await self._make([series.name for series in drawn]):
            for series in drawn:
                self._draw(series, now)

    async def _say(self, text: str) -> None:
        await self.remove_children()
        await self.mount(Static(text, markup=False))

    async def _make(self, names: Sequence[str]) -> bool:
        """A title and a plot each, kept while they are the same; whether they are there. The screen may close meanwhile."""
        from textual_plot import PlotWidget

        if [plot.id for plot in self.query(PlotWidget)] == [f"plot-{name}" for name in names]:
            return True
        await self.remove_children()
        for name in names:
            await self.mount(Static(id=f"title-{name}", classes="chart--title", markup=False))
            plot = PlotWidget(id=f"plot-{name}", allow_pan_and_zoom=False)
            plot.set_reactive(PlotWidget.margin_top, 0)
            plot.set_reactive(PlotWidget.margin_bottom, 2)
            await self.mount(plot)
            if not plot.children:
                return False
            plot.refresh(layout=True)  # or it keeps the scale of a size that it had before its margins were known to it
        return True

    def _draw(self, series: Series, now: float) -> None:
        from textual_plot import PlotWidget

        plot, style = self.query_one(f"#plot-{series.name}", PlotWidget), mode(os.environ)
        plot.clear()
        hours = [(at - now) / _HOUR for at in series.at]
        plot.plot(hours, list(series.values), line_style=_CALM_COLOUR, hires_mode=style)
        title = f"{series.name.replace('_', ' ')}: {human(series.show, series.values[-1], now)}"
        if series.mean is not None and series.peak is not None:
            dots = 2 * self.app.size.width // (self._hours + 1)  # at most: the plot knows its own width only later
            plot.plot(*band(series.mean, series.peak, dots), line_style=_BAND_COLOUR, hires_mode=style)
            plot.plot([0, 1], [series.peak, series.peak], line_style=_PEAK_COLOUR, hires_mode=style)
            title += f"; next hour {human(series.show, series.mean, now)}, up to {human(series.show, series.peak, now)}"
        top = max(*series.values, series.peak or 0.0, 0.0)
        plot.set_xlimits(-self._hours, 1.0)
        plot.set_ylimits(0, max(top * 1.1, LEAST[series.show]))
        plot.set_xticks(SPANS[self._hours])
        plot.set_x_formatter(hours_from_now())
        plot.set_y_formatter(amounts(series.show))
        self.query_one(f"#title-{series.name}", Static).update(title)
