"""What an attribute takes: each kind turns the text that a template has into a value, or says what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nebula.errors import UsageError


class Kind:
    """`takes`: what is right, in few words. Called with (the attribute's name, the value given) it returns the value;
    UsageError for what makes no sense.
    """

    def __init__(self, takes: str, read: Callable[[str, Any], Any]) -> None:
        self.takes, self._read = takes, read

    def __call__(self, name: str, value: Any) -> Any:
        """The value."""
        return self._read(name, value)


_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_SET = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*", re.ASCII)
_PATH = re.compile(r"/[^\x00-\x1f]{1,1023}")
YES = frozenset({"YES", "TRUE", "ON", "1"})
NO = frozenset({"NO", "FALSE", "OFF", "0"})


def refuse(name: str, value: Any, wanted: str, example: object) -> UsageError:
    """The one form of all these errors."""
    return UsageError(
        f"{name} must be {wanted}", cause=f"got {str(value)[:60]!r}", hint=f"{name.rpartition('/')[2]}: {example}"
    )


def one_of(*words: str, **others: str) -> Kind:
    """One of these words, upper or lower case; `others`: further spellings and what they mean."""
    known = {**{word: word for word in words}, **others}

    def read(name: str, value: Any) -> str:
        found = known.get(str(value).strip().lower())
        if found is None:
            raise refuse(name, value, "one of " + ", ".join(words) if len(words) > 1 else words[0], words[0])
        return found

    return Kind(", ".join(words), read)


def whole(low: int, high: int, *, unit: str = "") -> Kind:
    """A whole number within bounds."""

    def read(name: str, value: Any) -> int:
        text = str(value).strip()
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise refuse(name, value, f"a whole number from {low} to {high}" + (f" ({unit})" if unit else ""), max(low, 1))
        return int(text)

    return Kind(f"{low} to {high}" + (f" {unit}" if unit else ""), read)


def auto_or(kind: Kind) -> Kind:
    """`auto`, which is -1, or what the other kind takes."""

    def read(name: str, value: Any) -> Any:
        return -1 if str(value).strip().lower() == "auto" else kind(name, value)

    return Kind(f"auto, {kind.takes}", read)


def mib(high: int) -> Kind:
    """An amount of memory: a bare number is MiB; "2G" works too."""

    def read(name: str, value: Any) -> int:
        from nebula.units import parse_mib

        size = parse_mib(str(value).strip(), what=name)
        if not 1 <= size <= high:
            raise refuse(name, value, f"from 1 to {high} MiB", "2G")
        return size

    return Kind("MiB, or 2G", read)


def _yes(name: str, value: Any) -> bool:
    """YES or NO, and what YAML and people make of them."""
    word = str(value).strip().upper()
    if word not in YES | NO:
        raise refuse(name, value, "YES or NO", "YES")
    return word in YES


def matching(pattern: str, wanted: str, example: str) -> Kind:
    """A text of a certain form."""
    form = re.compile(pattern, re.ASCII)

    def read(name: str, value: Any) -> str:
        text = str(value).strip()
        if not form.fullmatch(text):
            raise refuse(name, value, wanted, example)
        return text

    return Kind(wanted, read)


def text(most: int) -> Kind:
    """One line of printable text."""

    def read(name: str, value: Any) -> str:
        found = str(value)
        if len(found) > most or not found.isprintable():
            raise refuse(name, value, f"one line of at most {most} characters", "TEXT")
        return found

    return Kind(f"text, at most {most}", read)


def _cpu_set(name: str, value: Any) -> str:
    """Host CPUs as libvirt writes them: 0-3,8."""
    found = str(value).replace(" ", "")
    if len(found) > 1000 or not _SET.fullmatch(found):
        raise refuse(name, value, "numbers of CPUs", "0-3,8")
    return found


def _path(name: str, value: Any) -> str:
    """An absolute path on the host."""
    found = str(value).strip()
    if not _PATH.fullmatch(found) or "/../" in f"{found}/":
        raise refuse(name, value, "an absolute path on the host", "/path/to/file")
    return found


def _file(name: str, value: Any) -> str:
    """The name or id of one image that is a file."""
    from nebula.engine.context.files import file_references

    found = file_references(str(value), name)
    if len(found) != 1:
        raise refuse(name, value, "one image", '$FILE[IMAGE="NAME"]')
    return found[0]


def _firmware(name: str, value: Any) -> str:
    """BIOS, UEFI, or the path of a firmware on the host."""
    word = str(value).strip()
    return word.upper() if word.upper() in {"BIOS", "UEFI"} else _path(name, value)


def _compression(name: str, value: Any) -> bool:
    """YES, NO, or the name of QEMU's only way that all its versions have."""
    return True if str(value).strip().lower() == "xbzrle" else _yes(name, value)


def _xml(name: str, value: Any) -> str:
    """Elements as libvirt takes them, one beside the other; checked to be XML without a document type."""
    from xml.etree import ElementTree as ET

    found = str(value).strip()
    if "<!" in found or "<?" in found:
        raise UsageError(f"{name} may hold elements only", cause="it has a declaration", hint="leave <!…> and <?…> out")
    try:
        ET.fromstring(wrapped(found))  # noqa: S314 - no document type, so no entities to expand
    except ET.ParseError as error:
        raise UsageError(f"{name} is not XML", cause=str(error), hint='DATA: "<devices>…</devices>"') from error
    return found


_OURS = frozenset({"name", "uuid", "title", "metadata", "memory", "currentMemory", "maxMemory", "vcpu"})
"""What the engine keeps account of."""


def _domain_xml(name: str, value: Any) -> str:
    """Elements of a domain; UsageError for those that other attributes decide."""
    from xml.etree import ElementTree as ET

    found = _xml(name, value)
    for element in ET.fromstring(wrapped(found)):  # noqa: S314 - it has been looked at
        if element.tag in _OURS:
            raise UsageError(
                f"{name} may not hold <{element.tag}>", cause="attributes of the template decide it", hint="NAME, MEMORY, VCPU"
            )
    return found


def wrapped(elements: str) -> str:
    """The elements in one, which knows QEMU's name space as OpenNebula's drivers do."""
    return f'<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">{elements}</domain>'


def _anything(_: str, value: Any) -> Any:
    """Kept as given."""
    return value


yes = Kind("YES, NO", _yes)
cpu_set = Kind("CPUs: 0-3,8", _cpu_set)
path = Kind("a path on the host", _path)
file = Kind('$FILE[IMAGE="NAME"], or NAME', _file)
firmware = Kind("BIOS, UEFI, a path on the host", _firmware)
compression = Kind("YES, NO, XBZRLE", _compression)
xml = Kind("elements", _xml)
domain_xml = Kind("elements", _domain_xml)
anything = Kind("", _anything)
