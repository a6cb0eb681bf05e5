"""What a cluster's people decided about its DRS: every knob with its unit and default."""

from __future__ import annotations

from typing import Literal

import msgspec

from nebula.errors import UsageError

Kind = Literal["load-aware", "striping", "packing"]
Mode = Literal["manual", "partial", "full"]
METRICS = ("cpu", "memory", "disk", "network")


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much a metric counts; 0: not at all."""

    cpu: float = 1.0
    memory: float = 0.5
    disk: float = 0.25
    network: float = 0.25


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How far above the cluster's mean load a host may be, as a share of its capacity."""

    cpu: float = 0.025
    memory: float = 0.042
    disk: float = 0.1
    network: float = 0.1


class DrsPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cluster's settings."""

    policy: Kind = "load-aware"
    mode: Mode = "manual"
    """manual: plans on demand; partial: plans at every interval and asks before moving; full: moves."""
    weights: Weights = Weights()
    tolerance: Tolerance = Tolerance()
    interval: float = 300.0
    """Seconds between two plans."""
    coverage: float = 0.9
    """The share of the coming hour's outcomes that a host's load must cover, .5 to .99."""
    ceiling: float = 0.8
    """The share of a host's capacity from which a shortage threatens. load-aware moves nothing below it; packing fills no
    host above it."""
    budget_share: float = 0.1
    """At most this share of the cluster's VMs moves in one plan."""
    budget_gib: float = 0.0
    """At most so much memory is copied in one plan, GiB; 0: no limit."""
    move_price: float = 0.00077
    """What copying a whole host's memory costs, in units of the objective."""
    least_gain: float = 0.05
    """A plan that improves the objective by less than this share is not made."""
    patience: int = 2
    """How many intervals in a row trouble must last before anything moves; evacuations do not wait."""
    cooldown: float = 1800.0
    """Seconds for which a VM stays where it came."""
    no_return: float = 7200.0
    """Seconds for which a VM does not go back to a host that it left, unless a rule or a failure forces it."""
    per_host: int = 2
    """Migrations that a host takes part in at once."""
    at_once: int = 4
    """Migrations of DRS under way in the cluster at once."""
    quiet_hours: tuple[str, ...] = ()
    """Times of day in which nothing moves, "22:00-06:00", by the engine's clock."""
    blackout_days: tuple[str, ...] = ()
    """Days on which nothing moves: "2026-12-24", or "sunday"."""
    stop_after: int = 6
    """After so many plans in a row that did not do what they promised, DRS stops and says so; 0: never."""
    predictive: bool = True
    """Plan for the coming hour; otherwise for what was measured last."""


def check(policy: DrsPolicy) -> DrsPolicy:
    """The policy; UsageError for a value that makes no sense."""
    for name, low, high in (
        ("interval", 10, 86_400), ("coverage", 0.5, 0.99), ("ceiling", 0.1, 1.0), ("budget_share", 0.0, 1.0),
        ("budget_gib", 0.0, 1e6), ("move_price", 0.0, 10.0), ("least_gain", 0.0, 1.0), ("patience", 1, 100),
        ("cooldown", 0.0, 1e7), ("no_return", 0.0, 1e7), ("per_host", 1, 64), ("at_once", 1, 256), ("stop_after", 0, 1000),
    ):  # fmt: skip
        _bounded(name, float(getattr(policy, name)), low, high)
    for metric in METRICS:
        _bounded(f"weights.{metric}", getattr(policy.weights, metric), 0.0, 100.0)
        _bounded(f"tolerance.{metric}", getattr(policy.tolerance, metric), 0.0, 1.0)
    if not any(getattr(policy.weights, metric) for metric in METRICS):
        raise UsageError("all weights are 0: nothing would be balanced", hint="nebula drs set CLUSTER weights.cpu=1")
    return policy


def _bounded(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} {value:g} is out of range", cause=f"it takes {low:g} to {high:g}", hint="nebula drs status")
