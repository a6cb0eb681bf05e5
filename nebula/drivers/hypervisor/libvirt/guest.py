"""What a running domain's guest shows and tells: its agent, its addresses, its screen."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

from nebula.drivers.hypervisor.libvirt.connection import Session, load_agent_library
from nebula.errors import ConflictError, NebulaError, NotFoundError
from nebula.model.guest import GuestAddress, Picture

_SILENT = (
    "VIR_ERR_AGENT_UNRESPONSIVE", "VIR_ERR_AGENT_UNSYNCED", "VIR_ERR_AGENT_COMMAND_TIMEOUT", "VIR_ERR_ARGUMENT_UNSUPPORTED",
    "VIR_ERR_OPERATION_UNSUPPORTED",
)  # fmt: skip
"""How libvirt says that there is no agent, or that it does not answer."""
_NO_SCREEN = ("VIR_ERR_INVALID_ARG", "VIR_ERR_OPERATION_INVALID", "VIR_ERR_OPERATION_UNSUPPORTED", "VIR_ERR_INTERNAL_ERROR")
_CHUNK = 1 << 18
INSTALL = "install qemu-guest-agent in the guest (apt install qemu-guest-agent), or: nebula vm ssh"

RESTART = "in the guest: systemctl restart qemu-guest-agent"
"""libvirt gives an agent up with which it fell out, until that one connects anew."""


def require_on(domain: Any, host: str) -> Any:
    """The domain; ConflictError if it is off."""
    if not domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} is off: its guest does nothing now")
    return domain


def ask(session: Session, domain: Any, host: str, command: str, arguments: Mapping[str, Any], timeout: float) -> Any:
    """See Hypervisor.ask_agent."""
    words = json.dumps({"execute": command, **({"arguments": dict(arguments)} if arguments else {})})
    end = time.monotonic() + timeout
    while True:
        begun = time.monotonic()
        left = max(1, int(end - begun))
        try:
            answer = load_agent_library().qemuAgentCommand(domain, words, left, 0)
        except session.lib.libvirtError as error:
            now = time.monotonic()
            if _is_busy(session, error) and now - begun < left and now + 1 < end:
                continue  # it did not get as far as the command
            refusal = _refusal(session, error, command, f"{domain.name()} on host {host}")
            if refusal is None:
                raise
            raise refusal from error
        return json.loads(answer).get("return")


def _is_busy(session: Session, error: Any) -> bool:
    """Whether the agent is there and has not answered libvirt's own question, which it asks before a command, for 5 s."""
    silent = error.get_error_code() == session.lib.VIR_ERR_AGENT_UNRESPONSIVE
    return silent and "not available for now" in str(error.get_error_message())


def _refusal(session: Session, error: Any, command: str, who: str) -> NebulaError | None:
    code, words = error.get_error_code(), str(error.get_error_message() or error)
    if code in _codes(session.lib, _SILENT):
        hint = RESTART if "due to an error" in words else INSTALL
        return ConflictError(f"no guest agent answers in {who}", cause=words, hint=hint)
    if code == session.lib.VIR_ERR_RPC:
        return NebulaError(
            f"the guest agent's answer to {command} is longer than libvirt carries",
            cause=words,
            hint="let the command write to a file, then: nebula vm cp VM:FILE .",
        )
    if code == session.lib.VIR_ERR_INTERNAL_ERROR:
        return NebulaError(f"the guest agent in {who} refuses {command}", cause=words.rpartition("': ")[2] or words)
    return None


def addresses(session: Session, domain: Any) -> list[GuestAddress]:
    """See Hypervisor.addresses."""
    lib = session.lib
    sources = (
        ("agent", lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT),
        ("dhcp", lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE),
        ("neighbours", lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP),
    )
    found: dict[tuple[str, str], GuestAddress] = {}
    for name, source in sources:
        with contextlib.suppress(lib.libvirtError):  # a source that a domain has not got says nothing of its addresses
            for card in domain.interfaceAddresses(source, 0).values():
                mac = str(card.get("hwaddr") or "").lower()
                for item in card.get("addrs") or ():
                    found.setdefault((mac, item["addr"]), GuestAddress(mac=mac, address=item["addr"], source=name))  # type: ignore[arg-type]
    return list(found.values())


def screenshot(session: Session, domain: Any, host: str) -> Picture:
    """See Hypervisor.screenshot."""
    stream, data = session.conn.newStream(0), bytearray()
    try:
        kind = domain.screenshot(stream, 0, 0)
        while chunk := stream.recv(_CHUNK):
            data += chunk
        stream.finish()
    except session.lib.libvirtError as error:
        with contextlib.suppress(session.lib.libvirtError):
            stream.abort()
        if error.get_error_code() not in _codes(session.lib, _NO_SCREEN):
            raise
        raise NotFoundError(
            f"domain {domain.name()} on host {host} shows no screen",
            cause=str(error.get_error_message() or error),
            hint="give the VM a GRAPHICS section, then start it again",
        ) from error
    return Picture(type="image/png" if kind == "image/png" else "image/x-portable-pixmap", data=bytes(data))


def _codes(lib: Any, names: tuple[str, ...]) -> set[int]:
    return {getattr(lib, name) for name in names if hasattr(lib, name)}
