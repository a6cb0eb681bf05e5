"""The VMs of a host, as far as a look at it compares them with what it says."""

from __future__ import annotations

import msgspec

from nebula import typed
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow


class Booked(msgspec.Struct, array_like=True):
    """The part of a VM's row that a look reads."""

    id: int
    uuid: str
    state: int
    lcm_state: int
    host_id: int
    job_id: int
    since: float
    reason: str
    alarm: str
    cpu_used: int
    memory_used: int


_BOOKED = f"""SELECT {", ".join(f'"{name}"' for name in Booked.__struct_fields__)} FROM "vm" WHERE "host_id"=? AND "state"<>6"""


def booked(services: Services, host: HostRow) -> dict[str, Booked]:
    """The VMs of a host by UUID, without what is large in them."""
    rows = services.store.read().rows(_BOOKED, (host.id,))
    return {vm.uuid: vm for vm in typed.convert(rows, list[Booked])}
