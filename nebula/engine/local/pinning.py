"""Keys that machines show: looked at, and pinned by a fingerprint."""

from __future__ import annotations

from nebula.engine.api.values import HostKeyOffer
from nebula.engine.services import Services
from nebula.errors import HostKeyError


def shown_keys(services: Services, address: str, port: int) -> list[HostKeyOffer]:
    """The keys that the machine shows now; UnreachableError if it shows none."""
    from nebula.transport.hostkeys import scan

    return [
        HostKeyOffer(type=key.type, line=key.line, fingerprint=key.fingerprint)
        for key in scan(address, port, loop=services.transports.loop())
    ]


def pinned_lines(services: Services, address: str, port: int, fingerprint: str) -> list[str]:
    """The lines of the keys with that fingerprint, which the machine must show now; HostKeyError otherwise."""
    from nebula.transport.hostkeys import host_key

    shown = shown_keys(services, address, port)
    lines = [key.line for key in shown if host_key(key.line).matches(fingerprint)]
    if not lines:
        raise HostKeyError(
            f"{address} shows no key with the fingerprint {fingerprint[:80]}",
            cause=", ".join(f"{key.type} {key.fingerprint}" for key in shown),
            hint=f"nebula host scan {address}{f' --port {port}' if port != 22 else ''}",
        )
    return lines
