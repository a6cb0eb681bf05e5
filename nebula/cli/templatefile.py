"""Templates in files, in whichever of the four ways they are written: OpenNebula's own syntax, YAML, JSON, or its XML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.cli.textfile import read_text
from nebula.cli.yamlfile import DEEPEST, LARGEST
from nebula.cli.yamlfile import parse as parse_yaml
from nebula.errors import UsageError

if TYPE_CHECKING:
    from nebula.cli.invocation import Invocation
    from nebula.model.template import Template

Documents = list[dict[str, Any]]
_COMMENTS = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_ASSIGNMENT = re.compile(r"[A-Za-z0-9_]+[ \t]*=", re.ASCII)


def load(name: str) -> Documents:
    """The templates in a file, at least one; "-" for stdin. UsageError says what is wrong in which line."""
    text = read_text(name, name, largest=LARGEST, hint="a template is a few hundred bytes", stdin=True)
    return parse(text, name if name != "-" else "stdin")


def load_templates(name: str) -> list[Template]:
    """The templates in a file, in the regular form. In YAML and JSON the words of `vm create` may stand for OpenNebula's
    (cpus, image, nics, sizes with units); what OpenNebula wrote itself stays as it is.
    """
    text = read_text(name, name, largest=LARGEST, hint="a template is a few hundred bytes", stdin=True)
    return templates(text, name if name != "-" else "stdin")


def one_file(line: Invocation) -> Template | None:
    """The one template in the file that a line's `--file` names, if it names one."""
    if not line.text("file"):
        return None
    documents = load_templates(line.text("file"))
    if len(documents) != 1:
        raise UsageError(f"{line.text('file')} holds {len(documents)} templates, one is wanted", hint="split the file")
    return documents[0]


def templates(text: str, name: str) -> list[Template]:
    """See `load_templates`; `name` is what the text is called."""
    from nebula.cli.template import regular
    from nebula.model.template import plain

    spelled = form_of(text.removeprefix("\ufeff")) in {"yaml", "json"}
    return [plain(regular(item) if spelled else item) for item in parse(text, name)]


def parse(text: str, name: str) -> Documents:
    """The templates in a text: one in OpenNebula's syntax, else as many as there are."""
    text = text.removeprefix("\ufeff")
    form = form_of(text)
    if form == "yaml":
        return parse_yaml(text, name)
    found = _json(text, name) if form == "json" else _opennebula(text, name, form)
    if not found or not all(found):
        raise UsageError(f"{name} is not a template", cause="it holds no attribute", hint='write it like MEMORY="2048"')
    return found


def form_of(text: str) -> str:
    """How the text is written, by how it begins: one, yaml, json or xml."""
    blank = _COMMENTS.match(text)
    start = blank.end() if blank else 0
    first = text[start : start + 1]
    if first == "<":
        return "xml"
    if first in {"{", "["}:
        return "json" if _is_json(text) else "yaml"
    return "one" if _ASSIGNMENT.match(text, start) else "yaml"


def _opennebula(text: str, name: str, form: str) -> Documents:
    from nebula.model.template import parse_one, parse_xml

    return [dict(item) for item in (parse_xml(text, name) if form == "xml" else [parse_one(text, name)])]


def _is_json(text: str) -> bool:
    """What begins like JSON may be YAML's short form, whose keys need no quotes."""
    inside = text.lstrip()[1:].lstrip(" \t\r\n[{")
    return inside[:1] in {'"', "}", "]", ""}


class _Twice(ValueError):
    """A key that an object has twice."""


def _json(text: str, name: str) -> Documents:
    """Numbers and truth stay as they are written, as in YAML; a list at the top holds several templates."""
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
    except _Twice as error:
        raise UsageError(f"{name}: {error}", hint="leave one out") from error
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name}, line {error.lineno}, column {error.colno}: {error.msg}", hint="look at what stands before"
        ) from error
    except RecursionError as error:
        raise _deep(name) from error
    found = [_texts(item, 1, name) for item in (value if isinstance(value, list) else [value])]
    if not all(isinstance(item, dict) for item in found):
        raise UsageError(
            f"{name} is not a template", cause="it holds no KEY: value pairs", hint='write it like {"memory": "2G"}'
        )
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(f"the key {next(key for key in keys if keys.count(key) > 1)[:60]!r} is there twice")
    return found


def _texts(value: Any, depth: int, name: str) -> Any:
    if depth > DEEPEST:
        raise _deep(name)
    if isinstance(value, Mapping):
        return {key: _texts(item, depth + 1, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item, depth + 1, name) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def _deep(name: str) -> UsageError:
    return UsageError(f"{name} is nested more than {DEEPEST} levels deep", hint="a template has NAME: {KEY: value}, no deeper")
