"""The context variables of one VM, from its template, its cards and its owner's keys."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

from nebula.engine.context.hostname import legal_hostname
from nebula.engine.context.nic import NicContext, nic_variables

_HOSTNAMES = ("SET_HOSTNAME", "HOSTNAME", "DNS_HOSTNAME")


def variables(
    vm_name: str, template_context: Mapping[str, str], nics: Sequence[NicContext], ssh_keys: Iterable[str]
) -> dict[str, str]:
    """Name -> value, sorted by name.

    What the template says wins over what we would make of the VM. Cards are described unless it says NETWORK=NO: a guest
    has no other way to its addresses. `ssh_keys` join the template's own. USER_DATA and START_SCRIPT go as base64, so that
    no guest's shell ever reads them before their time. Raises UsageError.
    """
    given = {name.upper(): value for name, value in template_context.items()}
    made: dict[str, str] = {}
    if given.get("NETWORK", "YES").upper() != "NO":
        made["NETWORK"] = "YES"
        for nic in nics:
            made |= nic_variables(nic)
    if not any(given.get(name) for name in _HOSTNAMES):
        made["SET_HOSTNAME"] = legal_hostname(vm_name)
    return dict(sorted((made | _encoded(given) | _keys(given, ssh_keys)).items()))


def _keys(given: Mapping[str, str], ssh_keys: Iterable[str]) -> dict[str, str]:
    lines = [*given.get("SSH_PUBLIC_KEY", "").splitlines(), *(line for key in ssh_keys for line in key.splitlines())]
    unique = dict.fromkeys(line.strip() for line in lines if line.strip())
    return {"SSH_PUBLIC_KEY": "\n".join(unique)} if unique else {}


def _encoded(given: Mapping[str, str]) -> dict[str, str]:
    """The template's variables with user data and start script as base64, unless they are so already."""
    values = dict(given)
    if values.get("USER_DATA") and not values.get("USER_DATA_ENCODING"):
        values |= {"USER_DATA": _base64(values["USER_DATA"]), "USER_DATA_ENCODING": "base64"}
    script = values.pop("START_SCRIPT", "")
    if script and not values.get("START_SCRIPT_BASE64"):
        values["START_SCRIPT_BASE64"] = _base64(script)
    return values


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
