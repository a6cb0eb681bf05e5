"""Whether a network's driver can filter what passes its cards."""

from __future__ import annotations

from nebula.engine.services import Services
from nebula.errors import ConflictError


def require_filters(services: Services, driver: str, wanted: object) -> None:
    """ConflictError if something is wanted that networks of that driver cannot do; better none than one that lets all pass."""
    if wanted and not services.pool.network(driver).capabilities.security_groups:
        raise ConflictError(
            f"networks of driver {driver} have no security groups, and no filters against forged addresses",
            cause="nothing would be filtered",
            hint="a network of driver 802.1Q, vxlan or bridge has them",
        )
