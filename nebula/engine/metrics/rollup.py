"""Roll-ups in the database: a row for all objects of a kind and a slot; fine ones for days, hourly ones for months.

Size: a VM takes 4 + 2 x 2 bytes a metric in a slot, deflated: at most 38 KB for 3 days of 5 minutes and 95 KB for 90 days of
hours, about half of that in practice.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from nebula.engine.metrics.codec import pack, unpack
from nebula.engine.metrics.kinds import METRICS
from nebula.engine.metrics.recent import SLOT, Slot
from nebula.engine.store.rows import RollupRow
from nebula.engine.store.transaction import Queries, Transaction

HOUR = 3600
DAY = 86_400


def write(tx: Transaction, slots: list[Slot], *, fine_days: float, hourly_days: float) -> None:
    """The slots that ended; an hour that ended with them is summed up, and what is too old goes.

    Clocks are set: a slot that was written before is replaced, and what lies in the future was never measured.
    """
    for slot in slots:
        _put(tx, slot.kind, float(slot.at), SLOT, slot.ids, slot.means + slot.maxima)
    for kind in METRICS:
        _sum_up(tx, kind)
    for step, days in ((SLOT, fine_days), (HOUR, hourly_days)):
        tx.execute('DELETE FROM "rollup" WHERE "step"=? AND ("at"<? OR "at">?)', (step, tx.now - days * DAY, tx.now))


def _put(tx: Transaction, kind: str, at: float, step: int, ids: list[int], columns: list[list[float]]) -> None:
    tx.execute('DELETE FROM "rollup" WHERE "kind"=? AND "step"=? AND "at"=?', (kind, step, at))
    tx.insert(RollupRow(kind=kind, at=at, step=step, count=len(ids), data=pack(ids, columns)))


def _sum_up(tx: Transaction, kind: str) -> None:
    """Hours that are over and have no row of their own yet."""
    present = tx.now // HOUR * HOUR
    newest = 'SELECT COALESCE(MAX("at"), 0) FROM "rollup" WHERE "kind"=? AND "step"=? AND "at"<?'
    last = tx.rows(newest, (kind, HOUR, present))[0][0]
    after = float(last) + HOUR if last else 0.0
    rows = tx.select(RollupRow, '"kind"=? AND "step"=? AND "at">=? AND "at"<? ORDER BY "at"', (kind, SLOT, after, present))
    hours: dict[float, list[RollupRow]] = {}
    for row in rows:
        hours.setdefault(row.at // HOUR * HOUR, []).append(row)
    for at, members in hours.items():
        _put(tx, kind, at, HOUR, *_merged(kind, members))


def _merged(kind: str, rows: list[RollupRow]) -> tuple[list[int], list[list[float]]]:
    width = len(METRICS[kind])
    sums: dict[int, list[float]] = {}
    counts: dict[int, list[int]] = {}
    maxima: dict[int, list[float]] = {}
    for row in rows:
        ids, columns = unpack(row.data, 2 * width)
        for index, number in enumerate(ids):
            total = sums.setdefault(number, [0.0] * width)
            seen = counts.setdefault(number, [0] * width)
            top = maxima.setdefault(number, [math.nan] * width)
            for metric in range(width):
                mean, high = columns[metric][index], columns[width + metric][index]
                if not math.isnan(mean):
                    total[metric] += mean
                    seen[metric] += 1
                if not (high <= top[metric] or math.isnan(high)):
                    top[metric] = high
    order = sorted(sums)
    means = [[sums[n][m] / counts[n][m] if counts[n][m] else math.nan for n in order] for m in range(width)]
    return order, means + [[maxima[n][m] for n in order] for m in range(width)]


def history(queries: Queries, kind: str, number: int, *, since: float, step: int = SLOT) -> Iterator[tuple[float, list[float]]]:
    """One object's roll-ups: (begin, a mean a metric and then a maximum a metric), oldest first."""
    for row, ids, columns in blocks(queries, kind, since=since, step=step):
        index = bisect_left(ids, number)
        if index < len(ids) and ids[index] == number:
            yield row.at, [column[index] for column in columns]


def blocks(
    queries: Queries, kind: str, *, since: float, step: int, wanted: Sequence[int] | None = None
) -> Iterator[tuple[RollupRow, array[int], list[array[float]]]]:
    """Roll-ups of all objects: (row, ids in ascending order, a column a metric of means and then of maxima, or those that are
    `wanted`), oldest first; damaged ones are passed over. Read one by one: days of thousands of objects are hundreds of MB.
    """
    width = 2 * len(METRICS[kind])
    listed = 'SELECT "id" FROM "rollup" WHERE "kind"=? AND "step"=? AND "at">=? ORDER BY "at"'
    for (number,) in queries.rows(listed, (kind, step, since)):
        row = queries.first(RollupRow, '"id"=?', (number,))
        if row is None:
            continue  # it became too old meanwhile
        try:
            ids, columns = unpack(row.data, width, wanted)
        except ValueError:
            continue
        yield row, ids, columns


def newest(queries: Queries, kind: str, *, step: int, until: float) -> float:
    """The begin of the latest roll-up up to a moment; 0: there is none."""
    found = 'SELECT COALESCE(MAX("at"), 0) FROM "rollup" WHERE "kind"=? AND "step"=? AND "at"<=?'
    return float(queries.rows(found, (kind, step, until))[0][0])
