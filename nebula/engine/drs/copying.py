"""What a live migration copies, how long that takes, and what that costs."""

from __future__ import annotations

from nebula.engine.drs.values import DrsVm

_MOST = 0.8
"""Of a link; a guest that writes faster than that is slowed down while it is copied, so that the copy comes to an end."""
_LEAST_LINK = 1.0
_LONGEST = 1.0 / (1.0 - _MOST)
"""Times what a quiet guest takes."""


def copied(vm: DrsVm, link_mib: float) -> float:
    """MiB: what there is, and what the guest writes anew while it is copied, which is copied again, and so on."""
    return vm.copy_mib / (1.0 - min(_MOST, vm.dirty_mib / max(_LEAST_LINK, link_mib)))


def seconds(vm: DrsVm, link_mib: float) -> float:
    """How long that takes; no less than at the pace of its own past migrations."""
    return effort(vm, link_mib) / max(_LEAST_LINK, link_mib)


def effort(vm: DrsVm, link_mib: float) -> float:
    """MiB that the link could carry meanwhile: what a migration costs everybody."""
    slow = max(_LEAST_LINK, link_mib) / vm.past_mib if vm.past_mib > 0 else 1.0
    return max(copied(vm, link_mib), vm.copy_mib * min(_LONGEST, slow))
