"""The few tools with which every element is built: absent attributes are left out, all text is escaped or refused."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from nebula.errors import UsageError

Value = str | int | bool | None
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def node(tag: str, *children: ET.Element | None, text: Value = None, **attributes: Value) -> ET.Element:
    """An element. Attributes and children that are None are left out; `type_` is written as `type`, True as `yes`."""
    element = ET.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            element.set(name.rstrip("_"), words(value))
    if text is not None:
        element.text = words(text)
    element.extend(child for child in children if child is not None)
    return element


def words(value: str | int) -> str:
    """A value as XML text; UsageError if it has a character that XML cannot carry."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if _ILLEGAL.search(text):
        raise UsageError(f"{text[:60]!r} has a character that cannot be written to a domain's definition")
    return text


def parse(text: str, what: str) -> ET.Element:
    """XML as a tree; UsageError naming `what` if it is none. Document types (entities) are refused."""
    if "<!DOCTYPE" in text:
        raise UsageError(f"{what} has a document type, which is refused")
    try:
        return ET.fromstring(text)  # noqa: S314 - no document type, so no entities to expand
    except ET.ParseError as error:
        raise UsageError(f"{what} is not XML", cause=str(error)) from error


def write(element: ET.Element) -> str:
    """The tree as text, indented by two spaces."""
    ET.indent(element)
    return ET.tostring(element, encoding="unicode") + "\n"
