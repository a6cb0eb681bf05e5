"""What is left out when values are shown: by the name of an attribute, and inside URLs."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "(hidden)"
_NAMES = (
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "TOKEN",
    "SECRET",
    "CREDENTIAL",
    "PRIVATE_KEY",
    "API_KEY",
    "ACCESS_KEY",
    "CEPH_KEY",
)
_WORDS = frozenset({"PASS", "PWD", "PSK", "AUTH", "AUTHORIZATION"})
_LOGIN = re.compile(r"(//)[^/\s]*@")
_QUERY = re.compile(r"(\bhttps?://[^\s?\"'<>]+\?)[^\s\"'<>]+", re.IGNORECASE)
_INPUTS = "USER_INPUTS"
_TELLING = 6
"""Characters of a secret that is looked for within other values."""
_LONG = frozenset({"USER_DATA", "USERDATA", "START_SCRIPT", "START_SCRIPT_BASE64", "SSH_PUBLIC_KEY"})


def hide(value: Any, key: str = "") -> Any:
    """A value as people may see it: attributes whose name says that they are a secret are hidden, and so are the login and
    the query of a URL.
    """
    if key and value not in ("", None) and _is_secret(key) and not _asks(key, value):
        return HIDDEN
    if isinstance(value, dict):
        return {name: hide(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [hide(item) for item in value]
    return _QUERY.sub(rf"\1{HIDDEN}", _LOGIN.sub(rf"\1{HIDDEN}@", value)) if isinstance(value, str) else value


def hide_template(template: Any) -> Any:
    """A template of a VM, likewise: what it asks for as a password is hidden, too, and so is wherever that value stands."""
    inputs = template.get(_INPUTS)
    asked: dict[str, Any] = inputs if isinstance(inputs, dict) else {}
    passwords = {name: text for name, text in asked.items() if _is_password(text)}
    secret = {str(template.get(name) or "") for name in passwords} | {_default(text) for text in passwords.values()}
    shown = {name: HIDDEN if name in passwords and item else item for name, item in template.items()}
    hidden = _without(hide(shown), sorted(secret - {""}, key=len, reverse=True))
    if asked:
        hidden[_INPUTS] = {name: _without_default(name, text) for name, text in asked.items()}
    return {name: _with_references(item, template[name], asked) for name, item in hidden.items()}


def secrets_of(template: Any) -> list[str]:
    """The names of what is hidden in a template: CONTEXT/PASSWORD."""
    shown, found = hide_template(template), list[str]()
    for name, item in template.items():
        if isinstance(item, dict):
            found.extend(f"{name}/{key}" for key in item if shown[name][key] != item[key])
        elif shown[name] != item:
            found.append(name)
    return found


def without(value: Any, hidden: Any) -> Any:
    """A value without its secrets: what is otherwise in its hidden form is not there."""
    if isinstance(value, dict) and isinstance(hidden, dict):
        return {
            name: without(item, hidden[name])
            for name, item in value.items()
            if isinstance(item, (dict, list)) or item == hidden[name]
        }
    if isinstance(value, list) and isinstance(hidden, list):
        both = zip(value, hidden, strict=True)
        return [without(item, seen) for item, seen in both if isinstance(item, (dict, list)) or item == seen]
    return value


def shorten(value: Any, key: str = "") -> Any:
    """User data, scripts and keys, in which anything may be, are named but not shown."""
    if key.upper() in _LONG and value:
        return f"({len(str(value))} characters)"
    if isinstance(value, dict):
        return {name: shorten(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    return value


def _is_secret(key: str) -> bool:
    name = key.upper()
    return any(word in name for word in _NAMES) or not _WORDS.isdisjoint(re.split(r"[^A-Z0-9]+", name))


def _asks(key: str, value: Any) -> bool:
    """TOKEN=YES of a context asks for a token and is none."""
    return key.upper() == "TOKEN" and isinstance(value, str) and value.upper() in {"YES", "NO"}


def _with_references(shown: Any, item: Any, asked: dict[str, Any]) -> Any:
    """What only names an input ($PASSWORD) is no secret."""
    if not isinstance(item, dict) or not isinstance(shown, dict):
        return shown
    return {
        key: item[key] if str(item[key])[:1] == "$" and str(item[key])[1:] in asked else part for key, part in shown.items()
    }


def _is_password(text: Any) -> bool:
    return str(text).split("|")[1:2] == ["password"]


def _default(text: Any) -> str:
    return (*str(text).split("|", 4), "", "", "", "")[4].strip()


def _without_default(name: str, text: Any) -> Any:
    if not (_default(text) and (_is_password(text) or _is_secret(name))):
        return text
    return "|".join([*str(text).split("|", 4)[:4], HIDDEN])


def _without(value: Any, secret: list[str]) -> Any:
    """Short secrets are hidden where they stand alone: everything may hold a "1"."""
    if isinstance(value, dict):
        return {name: _without(item, secret) for name, item in value.items()}
    if isinstance(value, list):
        return [_without(item, secret) for item in value]
    if isinstance(value, str) and any(word == value or (len(word) >= _TELLING and word in value) for word in secret):
        return HIDDEN
    return value
