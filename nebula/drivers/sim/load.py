"""What simulated guests do with their time: closed formulas of time and a seed, so that counters never depend on who looks."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args
from zlib import crc32

Profile = Literal["idle", "steady", "busy", "daily", "spike"]
PROFILES: tuple[str, ...] = get_args(Profile)
DAY = 86400.0
_SPIKE_EVERY = 1800.0
_SPIKE_LASTS = 300.0
_LEVELS = {"idle": 0.02, "steady": 0.30, "busy": 0.90}
KIB, MIB = 1 << 10, 1 << 20


class Counters(NamedTuple):
    """Counters of one guest; bytes, requests, nanoseconds, KiB."""

    cpu_time_ns: int
    memory_used_kib: int
    disk_read_bytes: int
    disk_write_bytes: int
    disk_read_requests: int
    disk_write_requests: int
    net_rx_bytes: int
    net_tx_bytes: int


def seed_of(uuid: str) -> int:
    """A guest's seed."""
    return crc32(uuid.encode())


def _fraction(seed: int, salt: int) -> float:
    """A number in [0, 1) that depends on the seed and nothing else."""
    return ((seed * 2654435761 + salt * 40503) & 0xFFFFFFFF) / 4294967296.0


def level(profile: str, seed: int, moment: float) -> float:
    """The share of its vCPUs that a guest uses at that moment, 0 to 1."""
    if profile == "daily":
        return 0.45 + 0.35 * math.sin(2 * math.pi * (moment / DAY + _fraction(seed, 1)))
    if profile == "spike":
        return 0.95 if (moment + _SPIKE_EVERY * _fraction(seed, 1)) % _SPIKE_EVERY < _SPIKE_LASTS else 0.05
    return _LEVELS[profile] * (0.8 + 0.2 * _fraction(seed, 2))


def dirty_rate(profile: str, seed: int, vcpus: int, moment: float) -> float:
    """MiB/s that a guest writes to its memory at that moment: those who work more write more."""
    return level(profile, seed, moment) * vcpus * (5.0 + 30.0 * _fraction(seed, 8))


def work(profile: str, seed: int, start: float, end: float) -> float:
    """The integral of `level` from `start` to `end`: seconds of one vCPU's time; exact, so sums of parts are the whole."""
    if profile == "daily":
        return _daily(seed, end) - _daily(seed, start)
    if profile == "spike":
        return _spikes(seed, end) - _spikes(seed, start)
    return level(profile, seed, start) * (end - start)


def _daily(seed: int, moment: float) -> float:
    angle = 2 * math.pi * (moment / DAY + _fraction(seed, 1))
    return 0.45 * moment - 0.35 * DAY / (2 * math.pi) * math.cos(angle)


def _spikes(seed: int, moment: float) -> float:
    shifted = moment + _SPIKE_EVERY * _fraction(seed, 1)
    whole, rest = divmod(shifted, _SPIKE_EVERY)
    high = whole * _SPIKE_LASTS + min(rest, _SPIKE_LASTS)
    return 0.05 * shifted + 0.90 * high


def counters(activity: float, seed: int, vcpus: int, memory_mib: int) -> Counters:
    """What a guest's counters show after `activity` seconds of one vCPU's time."""
    read_rate, write_rate = (0.2 + _fraction(seed, 3)) * MIB, (0.1 + _fraction(seed, 4)) * MIB
    received, sent = (0.05 + _fraction(seed, 5)) * MIB, (0.02 + _fraction(seed, 6)) * MIB
    read, written = 48 * MIB + int(activity * read_rate), 4 * MIB + int(activity * write_rate)
    touched = min(0.95, 0.35 + 0.3 * _fraction(seed, 7) + activity / 36000.0)
    return Counters(
        int(activity * vcpus * 1e9),
        int(memory_mib * KIB * touched),
        read,
        written,
        read // (32 * KIB),
        written // (16 * KIB),
        int(activity * received),
        int(activity * sent),
    )
