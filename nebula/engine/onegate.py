"""OneGate: where guests report to, which token is whose, and what a guest may say of itself."""

from __future__ import annotations

import hmac
import ipaddress
import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from nebula.engine.machines.hardware.declared import APART, BLOCKS
from nebula.engine.templates.restricted import RESTRICTED, WHOLE
from nebula.errors import CapacityError, DeniedError, UsageError
from nebula.model.template.values import plain

if TYPE_CHECKING:
    from nebula.engine.store.rows import VmRow
    from nebula.engine.store.transaction import Queries, Transaction

READY = "READY"
"""What a guest says when it has done all that it was told."""
MAX_REPORTED = 32 << 10
"""Bytes that a VM's row keeps of what its guest says."""
_LONGEST_URL = 200
_LISTEN, _ENDPOINT = "onegate.listen", "onegate.endpoint"
_TEMPLATES = frozenset(BLOCKS) | frozenset(APART) | {item.name for item in (*BLOCKS[""], *APART["Placement"])}
_OTHERS = frozenset({"CLUSTER", "CLUSTER_ID", "HOST", "DRS", "USER_INPUTS", "INPUTS_ORDER", "SERVICE_ID", "ROLE_NAME"})
REFUSED = _TEMPLATES | _OTHERS | WHOLE | frozenset(RESTRICTED)
"""What says what a VM is made of or where it may be: that is not for its guest."""


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`listen`: ADDRESS:PORT on the engine's machine, "" for no OneGate; `endpoint`: the URL that guests are told."""

    listen: str = ""
    endpoint: str = ""


def gate_settings(queries: Queries) -> GateSettings:
    """As they were set last."""
    rows = dict(queries.rows('SELECT "name", "value" FROM "meta" WHERE "name" IN (?, ?)', (_LISTEN, _ENDPOINT)))
    return GateSettings(listen=str(rows.get(_LISTEN, "")), endpoint=str(rows.get(_ENDPOINT, "")))


def keep_settings(tx: Transaction, settings: GateSettings) -> None:
    """In the place of those before."""
    tx.execute('DELETE FROM "meta" WHERE "name" IN (?, ?)', (_LISTEN, _ENDPOINT))
    for name, value in ((_LISTEN, settings.listen), (_ENDPOINT, settings.endpoint)):
        tx.execute('INSERT INTO "meta" ("name", "value") VALUES (?, ?)', (name, value))


def checked_settings(listen: str, endpoint: str) -> GateSettings:
    """UsageError for an address on which nobody can listen, and for a URL that no guest could use."""
    if not listen:
        if endpoint:
            raise UsageError(
                f"nobody would answer at {endpoint[:80]}",
                cause="OneGate listens nowhere",
                hint="nebula daemon onegate --listen ADDRESS:PORT --endpoint URL",
            )
        return GateSettings()
    address, port = split_listen(listen)
    if not endpoint:
        if address.is_unspecified:
            raise UsageError(
                f"{listen} is no address that guests could be told",
                cause="it means every address of this machine",
                hint=f"nebula daemon onegate --listen {listen} --endpoint http://ADDRESS:{port}",
            )
        endpoint = f"http://{listen}"
    return GateSettings(listen=listen, endpoint=_checked_url(endpoint))


def split_listen(listen: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """10.0.0.1:5030 or [fd00::1]:5030. UsageError for anything else."""
    address, _, port = listen.rpartition(":")
    try:
        parsed = (
            ipaddress.ip_address(address[1:-1])
            if address[:1] == "[" and address[-1:] == "]"
            else ipaddress.IPv4Address(address)
        )
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
            raise ValueError(f"port {port[:20]!r}")
    except ValueError as error:
        raise UsageError(
            f"{listen[:80]!r} is no address to listen on", cause=str(error), hint="10.0.0.1:5030, or [fd00::1]:5030"
        ) from error
    return parsed, int(port)


def _checked_url(url: str) -> str:
    """Guests put it into a shell's double quotes, and a path behind it."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    strange = any(not sign.isascii() or not (sign.isalnum() or sign in ":/.-_~[]%") for sign in url)
    if not sound or strange or len(url) > _LONGEST_URL:
        raise UsageError(
            f"{url[:80]!r} is no URL that guests could be told",
            cause=f"http or https, a host, at most {_LONGEST_URL} signs, no login and no query",
            hint="http://10.0.0.1:5030",
        )
    return url.rstrip("/")


def new_token() -> str:
    """A secret that nobody guesses: 256 bits."""
    return secrets.token_hex(32)


def admitted(vm: VmRow | None, token: str) -> VmRow:
    """The VM whose token it is. DeniedError otherwise, after the same time whether there is such a VM or not."""
    kept = str(vm.body.get("token") or "") if vm is not None else ""
    right = hmac.compare_digest((kept or new_token()).encode(), token.encode("utf-8", "replace"))
    if vm is None or not kept or not right:
        raise DeniedError("the token is not that VM's", hint="token.txt on the VM's context CD has it")
    return vm


def reported(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a guest said, with what it says now; an empty value takes one away.

    DeniedError for what is not a guest's to say, UsageError for what no template could hold, CapacityError for too much.
    """
    said = plain(changes)
    refused = sorted(name for name in said if name in REFUSED or name.startswith("SCHED_"))
    if refused:
        raise DeniedError(f"a guest cannot set {', '.join(refused[:10])}", cause="it says what the VM is, or where it may be")
    after = {name: value for name, value in {**before, **said}.items() if value not in ("", {}, [])}
    if len(json.dumps(after).encode()) > MAX_REPORTED:
        raise CapacityError(f"a VM keeps {MAX_REPORTED >> 10} KiB of what its guest says", hint="erase what is not needed")
    return after


def is_ready(said: Mapping[str, Any]) -> bool:
    """Whether the guest reported that it is ready."""
    return str(said.get(READY, "")).upper() == "YES"


def forget_ready(tx: Transaction, vm: VmRow) -> None:
    """A guest that begins anew reports anew."""
    said = vm.body.get("reported") or {}
    if READY in said:
        tx.swap(vm, body={**vm.body, "reported": {name: value for name, value in said.items() if name != READY}})
