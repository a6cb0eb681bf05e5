"""The text of /proc, of any kernel since 2.6, as a HostSample. What is missing or unreadable counts 0."""

from __future__ import annotations

import re

from nebula.drivers.monitor.devices import is_disk, is_uplink
from nebula.model.host import HostSample

SECTION = "== "
"""Begins the line that names the file whose content follows."""
_SECTOR = 512
_TICKS = 100.0
_MAX = 1 << 64
"""The kernel's counters have 64 bits; what is larger is not one of them."""
_TOTAL = re.compile(r"total=(\d+)")
Sections = dict[str, list[str]]


def parse_sample(text: str, taken: float) -> HostSample:
    """The sample that the monitor's command wrote; `taken` in seconds since the epoch. Never raises."""
    sections = split(text)
    memory = _memory(sections.get("meminfo", []))
    busy, idle, steal = _cpu(sections.get("stat", []), _first(sections, "ticks") or _TICKS)
    read, written = _disks(sections.get("diskstats", []))
    received, sent = _networks(sections.get("net/dev", []))
    return HostSample(
        taken=taken,
        host_time=_first(sections, "date"),
        cpu_busy=busy,
        cpu_idle=idle,
        cpu_steal=steal,
        memory_total_mib=memory[0],
        memory_free_mib=memory[1],
        disk_read_bytes=read,
        disk_write_bytes=written,
        net_rx_bytes=received,
        net_tx_bytes=sent,
        pressure_cpu=pressure(sections.get("pressure/cpu", [])),
        pressure_memory=pressure(sections.get("pressure/memory", [])),
        pressure_io=pressure(sections.get("pressure/io", [])),
        load1=_first(sections, "loadavg"),
    )


def split(text: str) -> Sections:
    """The lines of each section, by its name."""
    sections: Sections = {}
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith(SECTION):
            lines = sections.setdefault(line.removeprefix(SECTION).strip(), [])
        else:
            lines.append(line)
    return sections


def pressure(lines: list[str]) -> float:
    """Seconds that "some" task waited since boot (PSI counts microseconds)."""
    for line in lines:
        found = _TOTAL.search(line)
        if line.startswith("some ") and found:
            return _count(found[1]) / 1e6
    return 0.0


def _cpu(lines: list[str], ticks: float) -> tuple[float, float, float]:
    """Busy, idle and steal. The guests' time is part of user and nice already; waiting for a disk is idle."""
    words = next((line.split() for line in lines if line.startswith("cpu ")), [])
    values = [_count(word) / ticks for word in words[1:9]]
    values += [0.0] * (8 - len(values))
    user, nice, system, idle, iowait, irq, softirq, steal = values
    return user + nice + system + irq + softirq, idle + iowait, steal


def _memory(lines: list[str]) -> tuple[int, int]:
    """Total and available, MiB; kernels before 3.14 have no MemAvailable."""
    kib = {key: _count((rest.split() or ["0"])[0]) for key, _, rest in (line.partition(":") for line in lines)}
    guessed = kib.get("MemFree", 0) + kib.get("Buffers", 0) + kib.get("Cached", 0)
    return kib.get("MemTotal", 0) // 1024, kib.get("MemAvailable", guessed) // 1024


def _disks(lines: list[str]) -> tuple[int, int]:
    """Bytes read and written: fields 6 and 10, after major, minor and name."""
    rows = [words for words in (line.split() for line in lines) if len(words) >= 10 and is_disk(words[2])]
    return sum(_count(row[5]) for row in rows) * _SECTOR, sum(_count(row[9]) for row in rows) * _SECTOR


def _networks(lines: list[str]) -> tuple[int, int]:
    """Bytes received and sent. A counter may follow the name's colon without a blank."""
    rows = [(name.strip(), rest.split()) for name, colon, rest in (line.rpartition(":") for line in lines) if colon]
    counted = [words for name, words in rows if len(words) >= 9 and is_uplink(name)]
    return sum(_count(words[0]) for words in counted), sum(_count(words[8]) for words in counted)


def _first(sections: Sections, name: str) -> float:
    """The first number of a section, 0 if there is none."""
    words = " ".join(sections.get(name, [])).split()
    found = re.match(r"\d{1,18}(\.\d{1,18})?", words[0], re.ASCII) if words else None
    return float(found[0]) if found else 0.0


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 20):
        return 0
    number = int(word)
    return number if number < _MAX else 0
