"""Plans and balance for people: each move with its reason, every host before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nebula.cli.output.formats import Field, Table, render
from nebula.cli.output.text import plural, printable, width
from nebula.cli.output.values import local_time
from nebula.units import format_duration, format_size

METRICS = ("cpu", "memory", "disk", "network")
_MIB = 1 << 20
_HELPED = {"yes": "; it helped", "no": "; it did not help"}
_INDENT, _NARROWEST = " " * 6, 20
"""Of a reason below its move, and the columns that it gets at least."""
_LEAST_DAYS = 4
"""Fewer days say nothing of a trend."""


def plan_lines(body: Mapping[str, Any], now: float, terminal: int) -> Iterator[str]:
    """A plan."""
    yield printable(_head(body))
    moves = body["moves"]
    if moves:
        yield ""
        yield from _explained(moves, now, terminal)
    else:
        yield printable(f"nothing to move: {body.get('why_not', '')}")
    if body["hosts"]:
        yield ""
        yield from render(_hosts(body["hosts"]), "table", now, terminal=terminal)
    for number, why in body.get("stranded", ()):
        yield printable(f"VM {number} must leave its host and cannot: {why}")
    for number, why in body.get("staying", ()):
        yield printable(f"VM {number} stays: {why}")
    if body.get("could_sleep"):
        yield printable(f"could sleep: {', '.join(body['could_sleep'])}")
    yield from _afterwards(body)


def move_lines(moves: Sequence[Mapping[str, Any]], now: float, terminal: int) -> Iterator[str]:
    """A plan's moves: the header, then a line each."""
    yield from render(_moves(moves), "table", now, terminal=terminal)


def _explained(moves: Sequence[Mapping[str, Any]], now: float, terminal: int) -> Iterator[str]:
    """Moves with their reasons, which have lines of their own where there is no room beside."""
    from textwrap import wrap

    whole = list(move_lines(moves, now, 0))
    if not terminal or max(map(width, whole)) <= terminal:
        yield from whole
        return
    table = _moves(moves)
    short = Table(table.fields[:-1], [row[:-1] for row in table.rows])
    header, *lines = render(short, "table", now, terminal=terminal)
    yield header
    for line, move in zip(lines, moves, strict=True):
        yield line
        yield from wrap(printable(move["reason"]), max(terminal, _NARROWEST), initial_indent=_INDENT, subsequent_indent=_INDENT)


def _head(body: Mapping[str, Any]) -> str:
    number = f"plan {body['plan']}" if body.get("plan") else "plan"
    state = f", {body['state']}" if body.get("state") else ""
    gain = f"imbalance {body['before']:.4f} to {body['after']:.4f}" if body["moves"] else f"imbalance {body['before']:.4f}"
    copied = format_size(int(sum(move["copy_mib"] for move in body["moves"]) * _MIB))
    return f"{number} for cluster {body['cluster']}{state}: {plural(len(body['moves']), 'move')}, {copied} to copy, {gain}"


def _moves(moves: Sequence[Mapping[str, Any]]) -> Table:
    fields = [
        Field("move", "MOVE", "number"), Field("wave", "WAVE", "number"), Field("vm", "VM"), Field("source", "FROM"),
        Field("target", "TO"), Field("copy", "COPY"), Field("time", "TIME"), Field("gain", "GAIN"), Field("reason", "REASON"),
    ]  # fmt: skip
    rows = [
        [
            index, move["wave"] + 1, move["vm"], move["source"], move["target"], format_size(int(move["copy_mib"] * _MIB)),
            format_duration(move["seconds"]), f"{move['gain']:.4f}", move["reason"],
        ]
        for index, move in enumerate(moves, 1)
    ]  # fmt: skip
    return Table(fields, rows)


def _hosts(hosts: Sequence[Mapping[str, Any]]) -> Table:
    shown = [
        metric for index, metric in enumerate(METRICS) if any(host["before"][index] or host["after"][index] for host in hosts)
    ] or ["cpu"]
    fields = [Field("host", "HOST"), *(Field(metric, metric.upper()) for metric in shown), Field("vms", "VMS")]
    return Table(fields, [_host(host, shown) for host in hosts])


def _host(host: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    places = [METRICS.index(metric) for metric in shown]
    loads = [_change(host["before"][place], host["after"][place]) for place in places]
    before, after = host["vms_before"], host["vms_after"]
    return [host["host"], *loads, f"{before} > {after}" if before != after else str(before)]


def _change(before: float, after: float) -> str:
    return f"{before:.0%} > {after:.0%}" if round(before, 2) != round(after, 2) else f"{before:.0%}"


def _afterwards(body: Mapping[str, Any]) -> Iterator[str]:
    effect, bound = body.get("effect"), body.get("bound")
    if body.get("message"):
        yield printable(str(body["message"]))
    if effect:
        yield (
            f"effect: promised {effect['promised']:.4f}, measured {effect['measured']:.4f}; "
            f"hottest load {effect['hottest_before']:.0%} > {effect['hottest_after']:.0%}"
            f"{_HELPED.get(str(body.get('helped', '')), '')}"
        )
    if bound:
        proven = "proven optimum" if bound["proven"] else "proven lower bound"
        yield f"hottest loads, weighted: {bound['before']:.4f} now, {bound['plan']:.4f} planned, {bound['bound']:.4f} {proven}"


def status_lines(body: Mapping[str, Any], now: float, _terminal: int) -> Iterator[str]:
    """How a cluster is, then its settings."""
    settings = body["settings"]
    waits = f"; {body['waits']}" if body["waits"] else ""
    yield printable(
        f"cluster {body['cluster']}: {settings['policy']}, {settings['mode']}; {plural(body['hosts'], 'host')}, "
        f"hottest load {body['hottest_load']:.0%}, imbalance {body['objective']:.4f}{waits}"
    )
    last = body["last_plan"]
    if last:
        yield printable(
            f"last plan: {last['plan']}, {last['state']}, {plural(last['moves_planned'], 'move')}, "
            f"{format_duration(now - last['created'])} ago"
        )
    for name, value in settings.items():
        words = "  ".join(f"{key}={part:g}" for key, part in value.items()) if isinstance(value, dict) else _setting(value)
        yield f"  {name:<13} {words}"


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def forecast_lines(body: Mapping[str, Any], _now: float, _terminal: int) -> Iterator[str]:
    """The coming hour of a VM or a host, or when a cluster is full."""
    title = printable(f"{body['kind']} {body['name']}")
    if "hour" in body:
        yield f"{title}, the coming hour:"
        for metric, found in body["hour"].items():
            mean, peak = (_amount(body["kind"], metric, found[name]) for name in ("mean", "peak"))
            yield f"  {metric:<8} {mean}, peak {peak}"
        return
    for metric in ("cpu", "memory"):
        yield f"{title}: {_full(metric, body[metric])}"


def _amount(kind: str, metric: str, value: float) -> str:
    if kind == "host":
        return f"{value:.0%}"
    if metric == "cpu":
        return f"{value / 100:.2f} cores"
    return format_size(int(value * _MIB)) + ("" if metric == "memory" else "/s")


def _full(metric: str, found: Mapping[str, Any]) -> str:
    days = f"from {plural(found['days'], 'day')} of measurements"
    if found["days"] < _LEAST_DAYS:
        return f"{metric}: not known yet ({days})"
    if found["full"] is None:
        early = f", {_day(found['earliest'])} at the earliest" if found["earliest"] else ""
        return f"{metric} is not full within a year{early} ({days})"
    late = _day(found["latest"]) if found["latest"] else "later than a year"
    return f"{metric} is full on {_day(found['full'])}, between {_day(found['earliest'])} and {late} ({days})"


def _day(seconds: float) -> str:
    return local_time(seconds).partition(" ")[0]
