"""The verbs of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Listing, Query
from nebula.engine.api.verbs.answers import Findings, Offers, Rows


class Hosts(Protocol):
    """Hosts."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str, refresh: bool = False) -> Detail: ...
    def describe(self, ref: str) -> Detail:
        """State and why, its VMs, what is wrong with it, what may be typed now."""
        ...

    def scan(self, address: str, port: int = 22) -> Offers:
        """The keys that a machine shows, for a person to compare; pins nothing."""
        ...

    def put_key(self, address: str, port: int, user: str, password: str, host_key: str) -> None:
        """Bring the engine's public key there by password (`--ask-password`)."""
        ...

    def engine_key(self) -> str:
        """The engine's public key, one line, for people who put it there themselves."""
        ...

    def add(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """`spec`: name, address ("" for this machine), user, port, virt (kvm|qemu|auto), cluster, host_keys (list of
        lines) or fingerprint (of a key that it shows now), reserved_cpu, reserved_memory, driver. A job connects, looks, and
        makes it MONITORED (or ERROR).
        """
        ...

    def check(self, ref: str) -> Findings:
        """Look at it now: what is missing, and what mends it."""
        ...

    def domains(self, ref: str) -> Rows:
        """Domains of the host that are no VM of ours: what each is made of, and in `refused` why it cannot be adopted."""
        ...

    def enable(self, ref: str, call: Call) -> Accepted: ...
    def disable(self, ref: str, call: Call) -> Accepted: ...
    def offline(self, ref: str, call: Call) -> Accepted: ...
    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """Change cluster, address, user, port, virt, reserved_cpu, reserved_memory, host_keys, or attributes."""
        ...

    def remove(self, ref: str, call: Call, force: bool = False) -> Accepted:
        """Forget a host without VMs; `force` for one that is gone for good."""
        ...

    def clean(self, ref: str, call: Call) -> Accepted:
        """Take away what VMs and networks that are gone left there; `check` names it, the job's log says what went."""
        ...

    def evacuate(self, ref: str, call: Call) -> Accepted:
        """Disable it and migrate every VM away; the job's children are the migrations."""
        ...
