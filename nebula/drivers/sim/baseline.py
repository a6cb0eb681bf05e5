"""The CPU that all of several simulated hosts can be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nebula.drivers.sim.hosts import cpu_xml
from nebula.errors import UsageError

_AGES = (
    "qemu64",
    "Nehalem",
    "Westmere",
    "SandyBridge",
    "IvyBridge",
    "Haswell",
    "Broadwell",
    "Skylake-Server",
    "Icelake-Server",
)
_MODEL = re.compile(r"<model[^>]*>([^<]+)</model>")
_FEATURE = re.compile(r"<feature\b[^>]*\bname='([^']+)'")


def common_cpu(cpus: Sequence[str]) -> str:
    """The oldest of the models with the features that all have; UsageError for no CPU, or one that has no model."""
    models = [_MODEL.search(cpu) for cpu in cpus]
    if not models or None in models:
        raise UsageError(
            "no CPU that all hosts can run was found", cause=f"{len(cpus)} CPUs were given, each must name a model"
        )
    names = [found[1] for found in models if found is not None]
    features = set.intersection(*(set(_FEATURE.findall(cpu)) for cpu in cpus))
    return cpu_xml(min(names, key=_age), sorted(features))


def _age(model: str) -> int:
    return _AGES.index(model) if model in _AGES else len(_AGES)
