"""OpenNebula's attributes as typed by people, made regular: upper-case names, lists where lists are meant, checked sizes.

Attributes that we do not know are kept as given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.errors import UsageError

MAX_DEPTH = 8
MAX_ITEMS = 4096
MAX_TEXT = 256 * 1024
MAX_VCPUS = 4096
MAX_MEMORY_MIB = 64 * 1024 * 1024
_LISTS = frozenset({"DISK", "NIC", "NIC_ALIAS", "SCHED_ACTION", "PCI", "INPUT"})
_VECTORS = frozenset({"NIC_DEFAULT", "CONTEXT", "GRAPHICS", "OS", "FEATURES", "CPU_MODEL", "RAW", "TOPOLOGY", "TPM", "VIDEO"})

Template = dict[str, Any]


def regular(given: Mapping[str, Any]) -> Template:
    """A template in its regular form; UsageError for what is too deep, too long, or of the wrong shape."""
    _bounded(given, 0, [0])
    template: Template = {}
    for key, value in given.items():
        name = attribute_name(key)
        if name in _LISTS:
            template[name] = [_vector(name, item) for item in (value if isinstance(value, list) else [value])]
        elif name in _VECTORS:
            template[name] = _vector(name, value)
        else:
            template[name] = value
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
            f"{name} must be a group of attributes", cause=f"got {str(value)[:60]!r}", hint=f"{name} = [ KEY = value ]"
        )
    return {attribute_name(key): item for key, item in value.items()}


def _bounded(value: Any, depth: int, count: list[int]) -> None:
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_ITEMS:
        raise UsageError("the template is too deep or too large", cause=f"at most {MAX_DEPTH} levels, {MAX_ITEMS} values")
    if isinstance(value, str) and (len(value) > MAX_TEXT or "\0" in value):
        raise UsageError("a value in the template is too long or holds a NUL", cause=f"at most {MAX_TEXT} characters")
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
    value = template.get(key, default)
    try:
        number = int(str(value))
    except ValueError:
        raise UsageError(f"{key} must be a whole number", cause=f"got {str(value)[:60]!r}") from None
    if not low <= number <= high:
        raise UsageError(f"{key} must be between {low} and {high}", cause=f"got {number}")
    return number


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
    value = template.get(key, default)
    try:
        share = float(str(value))
    except ValueError:
        raise UsageError(f"{key} must be a number of cores", cause=f"got {str(value)[:60]!r}") from None
    if not 0.01 <= share <= MAX_VCPUS:
        raise UsageError(f"{key} must be between 0.01 and {MAX_VCPUS} cores", cause=f"got {share}")
    return round(share * 100)


def yes(value: Any) -> bool:
    """OpenNebula's YES, and what YAML makes of it."""
    return value is True or str(value).strip().upper() in {"YES", "TRUE", "1", "ALWAYS"}
