"""Whether a network's driver can filter what passes its cards."""

from __future__ import annotations

from nebula.engine.services import Services
from nebula.errors import ConflictError


def require_filters(services: Services, driver: str, *, groups: object = (), forgery: bool = False) -> None:
    """ConflictError if something is wanted that networks of that driver cannot do; better none than one that lets all pass."""
    able = services.pool.network(driver).capabilities
    if (groups and not able.security_groups) or (forgery and not able.forgery):
        raise ConflictError(
            f"networks of driver {driver} have no {'security groups' if groups else 'filters against forged addresses'}",
            cause="nothing would be filtered",
            hint="a network of driver 802.1Q, vxlan or bridge has them",
        )
