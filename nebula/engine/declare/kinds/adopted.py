"""VMs that were adopted, as documents say: which domain of which host, and what else somebody told nebula of them.

What they are made of is their domain's own definition, so no document speaks about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.declare.values import Document, upper
from nebula.engine.machines.machine import Machine, machine_of
from nebula.engine.machines.template import regular
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Queries
from nebula.errors import UsageError

ADOPT = "ADOPT"
_MEASURED = frozenset({"NAME", "CPU", "VCPU", "MEMORY"})
"""What `vm adopt` reads off the domain."""


def document(queries: Queries, row: VmRow, machine: Machine) -> Document:
    """All that there is to say of one that was adopted."""
    told = {key: item for key, item in machine.template.items() if key not in _MEASURED}
    return {ADOPT: _present(queries, row, machine), **told}


def canonical(queries: Queries, given: Mapping[str, Any], row: VmRow | None) -> Document:
    """The document's settings. A domain is the same by its name and its UUID, and on whichever host it is by now."""
    rest = regular({key: item for key, item in given.items() if key != ADOPT})
    host, domain = source(given[ADOPT])
    present = _present(queries, row, machine_of(row)) if row is not None else {}
    same = row is not None and domain in {row.uuid, present["DOMAIN"]}
    meant = present if same else {"HOST": host, "DOMAIN": domain}
    return {ADOPT: meant, **{key: item for key, item in rest.items() if item not in (None, "", [], {})}}


def source(given: Any) -> tuple[str, str]:
    """(host, domain) of a document's `adopt`; UsageError where they are not said."""
    told = upper(given) if isinstance(given, Mapping) else {}
    host, domain = (str(told.get(key) or "").strip() for key in ("HOST", "DOMAIN"))
    if not host or not domain or set(told) - {"HOST", "DOMAIN"}:
        raise UsageError(
            "adopt names a host and the domain on it",
            cause=f"got {str(given)[:80]}",
            hint="adopt: {host: HOST, domain: DOMAIN}",
        )
    return host, domain


def _present(queries: Queries, row: VmRow, machine: Machine) -> Document:
    host = queries.first(HostRow, '"id"=?', (row.host_id,))
    return {"HOST": host.name if host else "", "DOMAIN": machine.adopted.domain if machine.adopted else ""}
