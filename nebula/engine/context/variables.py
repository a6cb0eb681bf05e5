"""The context variables of one VM, from its template, its cards and its owner's keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence

from nebula.engine.context.gate import ASKING, ENDPOINT, NO_GATE, GateContext, gate_variables
from nebula.engine.context.hostname import legal_hostname
from nebula.engine.context.nic import NicContext, nic_variables
from nebula.errors import UsageError

_HOSTNAMES = ("SET_HOSTNAME", "HOSTNAME", "DNS_HOSTNAME")
_KEYS = ("SSH_KEY", "SSH_PUBLIC_KEY")
_USER_DATA = ("USER_DATA", "USERDATA")
_ENCODINGS = ("USER_DATA_ENCODING", "USERDATA_ENCODING")
_GATE = frozenset({*ASKING, ENDPOINT})
OWN = frozenset({"FILES_DS"})
"""What says how the CD is made, and nothing to the guest."""


def variables(
    vm_name: str,
    template_context: Mapping[str, str],
    nics: Sequence[NicContext],
    ssh_keys: Iterable[str],
    gate: GateContext = NO_GATE,
) -> dict[str, str]:
    """Name -> value, sorted by name.

    What the template says wins over what we would make of the VM. Cards are described unless it says NETWORK=NO: a guest
    has no other way to its addresses. `ssh_keys` join the template's own. USER_DATA and START_SCRIPT go as base64, so that
    no guest's shell ever reads them before their time; a start script without user data is user data, too, since
    cloud-init reads nothing else. Of OneGate a guest is told where its own is (`gate`). Raises UsageError.
    """
    given = {name.upper(): value for name, value in template_context.items()}
    made: dict[str, str] = {}
    if given.get("NETWORK", "YES").upper() != "NO":
        made["NETWORK"] = "YES"
        for nic in nics:
            made |= nic_variables(nic)
    if not any(given.get(name) for name in _HOSTNAMES):
        made["SET_HOSTNAME"] = legal_hostname(vm_name)
    told = made | _encoded(given) | _keys(given, ssh_keys)
    told = {name: value for name, value in told.items() if name not in _GATE and name not in OWN} | gate_variables(given, gate)
    return dict(sorted(told.items()))


def _keys(given: Mapping[str, str], ssh_keys: Iterable[str]) -> dict[str, str]:
    """All keys under the one name that cloud-init and OpenNebula's own guests know."""
    texts = [*(given.get(name, "") for name in _KEYS), *ssh_keys]
    unique = dict.fromkeys(line.strip() for text in texts for line in text.splitlines() if line.strip())
    return {"SSH_PUBLIC_KEY": "\n".join(unique)} if unique else {}


def _encoded(given: Mapping[str, str]) -> dict[str, str]:
    """The template's variables with user data and start script as base64."""
    values = {name: value for name, value in given.items() if name not in {*_USER_DATA, *_ENCODINGS, *_KEYS, "START_SCRIPT"}}
    script = given.get("START_SCRIPT_BASE64") or _base64(given.get("START_SCRIPT", ""))
    data = _user_data(given) or (_as_user_data(script) if script else "")
    if script:
        values["START_SCRIPT_BASE64"] = script
    if data:
        values |= {"USER_DATA": data, "USER_DATA_ENCODING": "base64"}
    return values


def _user_data(given: Mapping[str, str]) -> str:
    """User data as base64, under whichever name it came; "" for none."""
    data = next((given[name] for name in _USER_DATA if given.get(name)), "")
    encoding = next((given[name] for name in _ENCODINGS if given.get(name)), "")
    if not data:
        return ""
    if encoding.lower() == "base64":
        _decoded("USER_DATA", data)
        return data
    if encoding:
        raise UsageError(
            "USER_DATA_ENCODING must be base64",
            cause=f"got {encoding[:40]!r}",
            hint="leave it out for data that are not encoded",
        )
    return _base64(data)


def _as_user_data(script: str) -> str:
    """A start script as cloud-init takes it: with an interpreter in its first line."""
    text = _decoded("START_SCRIPT_BASE64", script)
    return script if text.startswith(b"#!") else base64.b64encode(b"#!/bin/sh\n" + text).decode()


def _decoded(name: str, value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            f"the context variable {name} is not base64", cause=str(error), hint="base64 -w0 FILE prints a file so"
        ) from error


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
