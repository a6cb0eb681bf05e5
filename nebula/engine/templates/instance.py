"""The template of one VM: a stored template, what is to replace parts of it, and the answers to what it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nebula.errors import UsageError
from nebula.model.template import Template, UserInput, checked, merged, plain, read_inputs

GROWING = frozenset({"CONTEXT", "OS", "CPU_MODEL", "FEATURES", "GRAPHICS", "VIDEO", "TPM", "TOPOLOGY"})
"""Groups of which a VM may set single keys: a template has them once."""


def instance_of(
    template: Template, name: str, *, extra: Mapping[str, Any] | None = None, inputs: Mapping[str, Any] | None = None
) -> Template:
    """The VM's template. `name` is the stored template's. UsageError names all answers that are missing, what is not asked
    for, and the first that does not fit.
    """
    added = plain(extra or {})
    given = {key.upper(): "" if value is None else str(value) for key, value in (inputs or {}).items()}
    asked = read_inputs(merged(template, added))
    _require_asked(name, asked, given)
    said = {item.name: _said(item, given, added, template) for item in asked}
    missing = [item for item in asked if said[item.name] is None]
    if missing:
        raise _missing(name, missing)
    answers: Template = {item.name: checked(item, said[item.name] or "") for item in asked}
    return {**merged(template, added, grow=GROWING), **answers}


def _said(item: UserInput, given: Mapping[str, str], added: Template, template: Template) -> str | None:
    """The answer: typed as one, or as an attribute; else what the template has by itself. None: there is none."""
    if item.name in given:
        return given[item.name]
    for source in (added, {} if item.default else template):
        value = source.get(item.name)
        if isinstance(value, str) and value:
            return value
    return item.default or (None if item.mandatory else "")


def _require_asked(name: str, asked: Sequence[UserInput], given: Mapping[str, str]) -> None:
    names = [item.name for item in asked]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise UsageError(
            f"template {name} does not ask for {', '.join(unknown)[:100]}",
            cause=f"it asks for {', '.join(names)}" if names else "it asks for nothing",
            hint="attributes are set with --set KEY=VALUE",
        )


def _missing(name: str, missing: Sequence[UserInput]) -> UsageError:
    told = ", ".join(f"{item.name} ({item.description or item.wanted()})" for item in missing)
    typed = " ".join(f"--input {item.name}=…" for item in missing)
    return UsageError(
        f"template {name} asks for {len(missing)} value{'s' if len(missing) > 1 else ''} that nobody gave: {told}",
        hint=f"nebula template instantiate {name} {typed}",
    )
