"""OpenNebula's XML form of templates, as `onetemplate show -x` and `list -x` print it and its API takes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from nebula.errors import UsageError
from nebula.model.template.values import LARGEST, MOST, Template, Value, name_of, plain

_DEEPEST = 5
"""VMTEMPLATE_POOL/VMTEMPLATE/TEMPLATE/DISK/IMAGE."""
_MOST = 64 * MOST
"""Elements of a document, which may hold many templates."""
_FORM = "write it like <TEMPLATE><NAME>web</NAME><DISK><IMAGE>debian</IMAGE></DISK></TEMPLATE>"


class _Element(NamedTuple):
    name: str
    children: list[_Element]
    words: list[str]

    @property
    def text(self) -> str:
        return "".join(self.words)


class _Builder:
    """Elements as expat finds them; what is no template is refused where it stands."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.root = _Element("", [], [])
        self._open = [self.root]
        self._count = 0
        parser = self.parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype

    def error(self, problem: str) -> UsageError:
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        return UsageError(f"{self.where}, line {line}, column {column}: {problem}", hint=_FORM)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > _DEEPEST:
            raise self.error(f"<{name[:60]}> is nested more than {_DEEPEST} levels deep")
        if self._count > _MOST:
            raise self.error(f"more than {_MOST} elements")
        if attributes:
            raise self.error(f"<{name[:60]}> has attributes, which templates have not")
        element = _Element(name, [], [])
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].words.append(text)

    def _doctype(self, *_: object) -> None:
        raise self.error("a DOCTYPE is not taken")


def parse_xml(text: str, where: str = "the template") -> list[Template]:
    """The templates of a document: a TEMPLATE, a VMTEMPLATE (with its name), or a VMTEMPLATE_POOL. UsageError with line and
    column for anything else.
    """
    if len(text) > LARGEST:
        raise UsageError(f"{where} is larger than {LARGEST >> 10} KiB", hint="a template is a few hundred bytes")
    builder = _Builder(where)
    try:
        builder.parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise UsageError(
            f"{where}, line {error.lineno}, column {error.offset + 1}: {expat.errors.messages[error.code]}", hint=_FORM
        ) from error
    except UnicodeEncodeError as error:
        raise UsageError(f"{where} is not text in UTF-8", cause=str(error), hint=_FORM) from error
    return list(_templates(builder.root.children[0], where))


def _templates(root: _Element, where: str) -> Iterator[Template]:
    if root.name == "TEMPLATE":
        yield _template(root)
    elif root.name == "VMTEMPLATE":
        inside = [child for child in root.children if child.name == "TEMPLATE"]
        if len(inside) != 1:
            raise UsageError(f"{where}: a VMTEMPLATE holds one TEMPLATE", cause=f"this one holds {len(inside)}", hint=_FORM)
        names = [child.text for child in root.children if child.name == "NAME"]
        template = _template(inside[0])
        yield {"NAME": names[0], **template} if names and "NAME" not in template else template
    elif root.name == "VMTEMPLATE_POOL":
        for child in root.children:
            yield from _templates(child, where)
    else:
        raise UsageError(
            f"{where}: <{root.name[:60]}> is no template", cause="TEMPLATE, VMTEMPLATE and VMTEMPLATE_POOL are", hint=_FORM
        )


def _template(element: _Element) -> Template:
    found: dict[str, list[Value]] = {}
    for child in element.children:
        found.setdefault(name_of(child.name), []).append(_value(child))
    return plain(found)


def _value(element: _Element) -> Value:
    if not element.children:
        return element.text
    vector: dict[str, str] = {}
    for child in element.children:
        if child.children or child.name in vector:
            problem = "holds groups" if child.children else f"has {child.name[:60]} twice"
            raise UsageError(f"<{element.name[:60]}> {problem}", cause="a template has no such thing", hint=_FORM)
        vector[child.name] = child.text
    return vector


def print_xml(template: Template) -> str:
    """The template as one TEMPLATE element. An empty group is an empty value there: XML cannot tell them apart. UsageError for
    a name that begins with a digit, which no element can.
    """
    lines = ["<TEMPLATE>"]
    for name, value in template.items():
        for item in value if isinstance(value, list) else [value]:
            lines.extend(_printed(name, item))
    return "\n".join([*lines, "</TEMPLATE>", ""])


def _printed(name: str, value: Value) -> Iterator[str]:
    odd = next((key for key in (name, *(value if isinstance(value, dict) else ())) if key[0].isdigit()), None)
    if odd is not None:
        raise UsageError(f"{odd} begins with a digit, which no name in XML does", hint="print it as YAML or JSON: -f yaml")
    if isinstance(value, str):
        yield f"  <{name}>{_text(value)}</{name}>"
    elif not value:
        yield f"  <{name}></{name}>"
    else:
        yield f"  <{name}>"
        for key, item in value.items():
            yield f"    <{key}>{_text(item)}</{key}>"
        yield f"  </{name}>"


def _text(value: str) -> str:
    """As OpenNebula prints it; a carriage return would be lost in there."""
    if "\r" in value or "]]>" in value:
        return escape(value, {"\r": "&#13;"})
    return f"<![CDATA[{value}]]>" if value else ""
