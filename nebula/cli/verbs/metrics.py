"""nebula vm top, host top and metrics export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nebula.cli.output.formats import Field, Table, render
from nebula.cli.output.text import printable, shorten
from nebula.cli.output.values import local_time
from nebula.cli.verbs.common import print_rows
from nebula.errors import UsageError
from nebula.units import parse_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Listing

_PAUSE = 2.0
_STEPS = {"": 300, "5m": 300, "1h": 3600}
_SHOWS = {
    "id": "number", "vcpus": "number", "memory_given": "mib", "memory_total": "mib", "cpu_total": "cpu", "at": "time",
    "name": "text", "host": "text",
}  # fmt: skip
_HEADERS = {
    "cpu": "CPU", "cpu_wait": "WAIT", "memory": "MEM", "memory_given": "OF", "memory_total": "OF", "cpu_total": "OF",
    "balloon": "BALLOON", "disk_read": "READ/s", "disk_write": "WRITE/s", "disk_ops": "OPS/s", "disk_latency": "LATENCY ms",
    "net_rx": "RX/s", "net_tx": "TX/s", "cpu_pressure": "CPU PSI", "memory_pressure": "MEM PSI", "io_pressure": "IO PSI",
}  # fmt: skip
_ORDER = {
    "vm": ("id", "name", "host", "cpu", "cpu_wait", "memory", "memory_given", "disk_read", "disk_write", "disk_ops",
           "disk_latency", "net_rx", "net_tx"),
    "host": ("id", "name", "cpu", "cpu_total", "cpu_wait", "cpu_pressure", "memory", "memory_total", "memory_pressure",
             "io_pressure", "disk_read", "disk_write", "net_rx", "net_tx"),
}  # fmt: skip
_RATES = {"disk_read", "disk_write", "net_rx", "net_tx"}


def top(context: Context, line: Invocation) -> int:
    """The busiest VMs or hosts; with --watch until Ctrl-C."""
    kind, limit = line.command.noun, line.number("limit")
    with context.reader() as engine:
        listing = engine.metrics.top(kind)
        if not line.flag("watch"):
            print_rows(context, _table(kind, listing, limit), line.text("format"), empty=f"no {kind} was measured")
            return 0
        while True:
            _draw(context, kind, listing, limit)
            context.pause(_PAUSE)
            listing = engine.metrics.top(kind)


def _draw(context: Context, kind: str, listing: Listing, limit: int) -> None:
    terminal, height = context.width(), context.height()
    rows = list(render(_table(kind, listing, limit), "table", context.now(), terminal=terminal))
    texts = [shorten(f"{local_time(context.now())}  Ctrl-C ends", terminal or 80), *rows][: height - 1]
    context.out.write("\x1b[H" + "".join(f"{text}\x1b[K\n" for text in texts) + "\x1b[J")
    context.out.flush()


def _table(kind: str, listing: Listing, limit: int) -> Table:
    places = {name: index for index, name in enumerate(listing.columns)}
    names = [name for name in _ORDER[kind] if name in places]
    fields = [Field(name, _HEADERS.get(name, name.upper()), _show(name)) for name in names]
    rows = listing.rows[:limit] if limit else listing.rows
    return Table(fields, [[row[places[name]] for name in names] for row in rows])


def _show(name: str) -> str:
    if name in {"cpu", "cpu_wait"}:
        return "cpu"
    if name in {"memory", "balloon"}:
        return "mib"
    if name in _RATES:
        return "rate"
    if name.endswith("pressure"):
        return "share"
    return _SHOWS.get(name, "decimal")


def export(context: Context, line: Invocation) -> int:
    """Everything now, or the history of one object."""
    if line.text("vm") and line.text("host"):
        raise UsageError("--vm and --host at once", hint="export one after the other")
    kind = "vm" if line.text("vm") else "host" if line.text("host") else ""
    with context.reader() as engine:
        if not kind:
            for name in ("host", "vm"):
                for text in open_metrics(name, engine.metrics.top(name)):
                    context.write(text)
            context.write("# EOF")
            return 0
        since = context.now() - parse_duration(line.text("since") or "1d")
        found = engine.metrics.series(kind, line.text(kind), since, _STEPS[line.text("step")])
    fields = [Field(name, name.upper(), _SHOWS.get(name, "decimal")) for name in found.columns]
    print_rows(context, Table(fields, found.rows), line.text("format") or "csv", empty="nothing was measured in that time")
    return 0


def open_metrics(kind: str, listing: Listing) -> Iterator[str]:
    """The text format that Prometheus and its node_exporter read; gauges in base units (cores, bytes, seconds, shares)."""
    places = {name: index for index, name in enumerate(listing.columns)}
    for name, (family, factor, text) in _FAMILIES.items():
        if name not in places:
            continue
        full = f"nebula_{kind}_{family}"
        yield f"# TYPE {full} gauge"
        yield f"# HELP {full} {text}"
        for row in listing.rows:
            value = row[places[name]]
            if value is not None:
                yield f"{full}{{{_labels(kind, places, row)}}} {value * factor:.6g}"


def _labels(kind: str, places: dict[str, int], row: list[Any]) -> str:
    labels = {"id": row[places["id"]], "name": row[places["name"]]}
    if kind == "vm":
        labels["host"] = row[places["host"]]
    return ",".join(f'{key}="{_escaped(str(value))}"' for key, value in labels.items())


def _escaped(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


_MIB = float(1 << 20)
_FAMILIES = {
    "cpu": ("cpu_cores", 0.01, "Processor time used, cores."),
    "cpu_wait": ("cpu_wait_cores", 0.01, "Processor time that was wanted and not there, cores."),
    "cpu_pressure": ("cpu_pressure_ratio", 1.0, "Share of the time in which some task waited for a processor."),
    "memory": ("memory_bytes", _MIB, "Memory used."),
    "balloon": ("memory_balloon_bytes", _MIB, "Memory given to the guest."),
    "memory_pressure": ("memory_pressure_ratio", 1.0, "Share of the time in which some task waited for memory."),
    "io_pressure": ("io_pressure_ratio", 1.0, "Share of the time in which some task waited for a disk."),
    "disk_read": ("disk_read_bytes_per_second", _MIB, "Read from disks."),
    "disk_write": ("disk_write_bytes_per_second", _MIB, "Written to disks."),
    "disk_ops": ("disk_requests_per_second", 1.0, "Requests to disks."),
    "disk_latency": ("disk_latency_seconds", 0.001, "Mean time of a request to a disk."),
    "net_rx": ("network_receive_bytes_per_second", _MIB, "Received."),
    "net_tx": ("network_transmit_bytes_per_second", _MIB, "Sent."),
}
