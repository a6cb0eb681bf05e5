"""What libvirt says when it fails -> the error tree."""

from __future__ import annotations

from typing import Any

from nebula.errors import ConflictError, DeniedError, NebulaError, NotFoundError, TimedOutError, UnreachableError

_BY_NAME: dict[str, type[NebulaError]] = {
    "VIR_ERR_NO_DOMAIN": NotFoundError,
    "VIR_ERR_NO_DOMAIN_METADATA": NotFoundError,
    "VIR_ERR_DOM_EXIST": ConflictError,
    "VIR_ERR_OPERATION_INVALID": ConflictError,
    "VIR_ERR_MIGRATE_UNSAFE": ConflictError,
    "VIR_ERR_RESOURCE_BUSY": ConflictError,
    "VIR_ERR_NO_CONNECT": UnreachableError,
    "VIR_ERR_INVALID_CONN": UnreachableError,
    "VIR_ERR_AUTH_FAILED": DeniedError,
    "VIR_ERR_AUTH_CANCELLED": DeniedError,
    "VIR_ERR_AUTH_UNAVAILABLE": DeniedError,
    "VIR_ERR_ACCESS_DENIED": DeniedError,
    "VIR_ERR_OPERATION_TIMEOUT": TimedOutError,
}
_HINTS: dict[type[NebulaError], str] = {
    UnreachableError: "nebula host check {host}",
    DeniedError: "nebula host check {host}",
    TimedOutError: "nebula host check {host}",
    ConflictError: "nebula host show {host}",
}
_MODULES = "sch_htb sch_sfq sch_ingress cls_u32 act_police"
_LIMITS = f"the kernel of {{host}} limits no card's bandwidth: modprobe -a {_MODULES}   (there)"
_SAYINGS = (
    (
        "Unable to access credentials",
        "give both hosts certificates for TLS (docs/cluster.md), or: nebula cluster update CLUSTER --migration-tunnel ssh",
    ),
    ("bin/tc ", _LIMITS),
    ("(tc ", _LIMITS),
)
"""What QEMU says of a certificate that is not there, and libvirt of a kernel that cannot do what its card's bandwidth needs."""


def translate(lib: Any, error: Any, what: str, host: str, *, alive: bool) -> NebulaError:
    """A libvirtError as one of our errors. `what` is the call in words; a connection that is not `alive` any more makes
    it an UnreachableError whatever libvirt called it.
    """
    cls = UnreachableError if not alive else _class_of(lib, error.get_error_code())
    words = str(error.get_error_message() or error)
    hint = next((hint for saying, hint in _SAYINGS if saying in words), _HINTS.get(cls, ""))
    return cls(f"{what} failed on host {host}", cause=words, hint=hint.format(host=host))


def _class_of(lib: Any, code: int) -> type[NebulaError]:
    return next((cls for name, cls in _BY_NAME.items() if getattr(lib, name, None) == code), NebulaError)
