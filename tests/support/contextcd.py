"""The context CD that a simulated VM has in its drive, as its guest reads it."""

from __future__ import annotations

from nebula.drivers.sim.world import SimWorld
from tests.support.cloudinit import from_cd


def cd_of(world: SimWorld, host: str, uuid: str) -> bytes:
    """The image."""
    domain = world.domains.require(host, uuid)
    assert domain.spec is not None
    found = world.storage.get(domain.host, next(disk.path for disk in domain.spec.disks if disk.device == "cdrom"))
    assert found is not None
    return found.head


def files_of(cd: bytes) -> tuple[str, str]:
    """context.sh, and token.txt without its end of line; "" where there is none."""
    token = from_cd(cd, "token.txt").decode().removesuffix("\n") if b"token.txt" in cd else ""
    return from_cd(cd, "context.sh").decode(), token
