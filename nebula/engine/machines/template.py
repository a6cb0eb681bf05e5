"""OpenNebula's attributes as typed by people, made regular: upper-case names, lists where lists are meant, checked sizes.

Attributes that we do not know are kept as given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nebula.attributes import single
from nebula.engine.machines.hardware.declared import MAX_MEMORY_MIB, MAX_VCPUS
from nebula.errors import UsageError

MAX_DEPTH = 8
MAX_ITEMS = 4096
MAX_TEXT = 256 * 1024
LISTS = frozenset({"DISK", "NIC", "NIC_ALIAS", "SCHED_ACTION", "PCI", "INPUT", "NUMA_NODE"})
VECTORS = frozenset(
    {"NIC_DEFAULT", "CONTEXT", "GRAPHICS", "OS", "FEATURES", "CPU_MODEL", "RAW", "TOPOLOGY", "TPM", "VIDEO", "SOUND", "RNG"}
    | {"WATCHDOG", "MEMORY_ENCRYPTION", "BACKUP_CONFIG"}
)
SINGLE = frozenset(
    {"NAME", "CPU", "VCPU", "MEMORY", "HOST", "CLUSTER", "AUTOSTART", "SUBMIT_ON_HOLD", "DESCRIPTION"}
    | {"VCPU_MAX", "MEMORY_MAX", "MEMORY_SLOTS", "MEMORY_RESIZE_MODE", "MEMORY_TUNE_OFFSET", "EMULATOR", "EMULATOR_CPUS"}
    | {"HYPERV_OPTIONS", "HYPERV_TIMERS", "SPICE_OPTIONS"}
)
_WHOLE = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_SHARE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,30})?", re.ASCII)
_YES = frozenset({"YES", "TRUE", "ON", "1", "ALWAYS"})
_NO = frozenset({"", "NO", "FALSE", "OFF", "0", "NONE", "NEVER"})

Template = dict[str, Any]


def regular(given: Mapping[str, Any]) -> Template:
    """A template in its regular form; UsageError for what is too deep, too long, or of the wrong shape."""
    _bounded(given, 0, [0])
    template: Template = {}
    for key, value in given.items():
        name = attribute_name(key)
        if name in LISTS:
            template[name] = [_vector(name, item) for item in (value if isinstance(value, list) else [value])]
        elif name in VECTORS:
            template[name] = _vector(name, value)
        else:
            template[name] = single(name, value) if name in SINGLE else value
    return template


def attribute_name(key: object) -> str:
    """An attribute's name in upper case; letters, digits, `_` and `-` only."""
    name = str(key).upper()
    if not name or len(name) > 128 or not all(sign.isalnum() or sign in "_-" for sign in name):
        raise UsageError(
            f"{str(key)[:60]!r} is no attribute name", cause="letters, digits and _ only, at most 128", hint="rename it"
        )
    return name


def _vector(name: str, value: Any) -> Template:
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{name} must be {'one' if isinstance(value, list) else 'a'} group of attributes",
            cause=f"got {str(value)[:60]!r}",
            hint=f"write it like {name.lower()}: {{KEY: value}}",
        )
    return {attribute_name(key): single(f"{name}/{attribute_name(key)}", item) for key, item in value.items()}


def _bounded(value: Any, depth: int, count: list[int]) -> None:
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_ITEMS:
        raise UsageError(
            "the template is too deep or too large",
            cause=f"at most {MAX_DEPTH} levels, {MAX_ITEMS} values",
            hint="leave out what the VM does not need",
        )
    if isinstance(value, str) and (len(value) > MAX_TEXT or "\0" in value):
        raise UsageError(
            "a value in the template is too long or holds a NUL",
            cause=f"at most {MAX_TEXT} characters",
            hint="let a small script fetch the rest",
        )
    if isinstance(value, (int, float)) and not abs(value) < 1 << 63:
        raise UsageError("a number in the template is too large", cause=f"got {str(value)[:40]}", hint="quote the value")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _bounded(key, depth + 1, count)
            _bounded(item, depth + 1, count)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _bounded(item, depth + 1, count)
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise UsageError(f"a template holds text and numbers, not {type(value).__name__}", hint="quote the value")


def whole(template: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    """A whole number between bounds."""
    text = str(template.get(key, default)).strip()
    if not _WHOLE.fullmatch(text):
        raise UsageError(f"{key} must be a whole number", cause=f"got {text[:60]!r}", hint=f"{key}: {max(low, 1)}")
    if not low <= int(text) <= high:
        raise UsageError(f"{key} must be between {low} and {high}", cause=f"got {text}", hint=f"{key}: {max(low, 1)}")
    return int(text)


def mebibytes(template: Mapping[str, Any], key: str, default: int, high: int = MAX_MEMORY_MIB) -> int:
    """A size in MiB: a bare number is MiB, as OpenNebula has it; "2G" works too."""
    value = template.get(key)
    if value is None:
        return default
    from nebula.units import parse_mib

    text = str(value).strip()
    size = parse_mib(text, what=key)
    if not 1 <= size <= high:
        raise UsageError(f"{key} must be between 1 MiB and {high} MiB", cause=f"got {text[:60]!r}", hint=f"{key}: 2G")
    return size


def hundredths(template: Mapping[str, Any], key: str, default: float) -> int:
    """A share of cores ("0.5") in hundredths of a core."""
    text = str(template.get(key, default)).strip()
    if not _SHARE.fullmatch(text):
        raise UsageError(f"{key} must be a number of cores", cause=f"got {text[:60]!r}", hint=f"{key}: 0.5")
    if not 0.01 <= float(text) <= MAX_VCPUS:
        raise UsageError(f"{key} must be between 0.01 and {MAX_VCPUS} cores", cause=f"got {text[:60]}", hint=f"{key}: 0.5")
    return round(float(text) * 100)


def yes(template: Mapping[str, Any], key: str) -> bool:
    """OpenNebula's YES and NO, and what YAML and people make of them; what is not there is no."""
    word = str(template.get(key, "")).strip().upper()
    if word not in _YES | _NO:
        raise UsageError(f"{key} must be YES or NO", cause=f"got {word[:60]!r}", hint=f"{key}: YES")
    return word in _YES
