"""State names and codes as OpenNebula has them, so that its clients understand us."""

from __future__ import annotations

import enum
from typing import NamedTuple


class VmState(enum.IntEnum):
    """OpenNebula's STATE of a virtual machine."""

    INIT = 0
    PENDING = 1
    HOLD = 2
    ACTIVE = 3
    STOPPED = 4
    SUSPENDED = 5
    DONE = 6
    POWEROFF = 8
    UNDEPLOYED = 9
    CLONING = 10
    CLONING_FAILURE = 11


class LcmState(enum.IntEnum):
    """OpenNebula's LCM_STATE: meaningful while STATE is ACTIVE."""

    LCM_INIT = 0
    PROLOG = 1
    BOOT = 2
    RUNNING = 3
    MIGRATE = 4
    SAVE_STOP = 5
    SAVE_SUSPEND = 6
    SAVE_MIGRATE = 7
    PROLOG_MIGRATE = 8
    PROLOG_RESUME = 9
    EPILOG_STOP = 10
    EPILOG = 11
    SHUTDOWN = 12
    CLEANUP_RESUBMIT = 15
    UNKNOWN = 16
    HOTPLUG = 17
    SHUTDOWN_POWEROFF = 18
    BOOT_UNKNOWN = 19
    BOOT_POWEROFF = 20
    BOOT_SUSPENDED = 21
    BOOT_STOPPED = 22
    CLEANUP_DELETE = 23
    HOTPLUG_SNAPSHOT = 24
    HOTPLUG_NIC = 25
    HOTPLUG_SAVEAS = 26
    HOTPLUG_SAVEAS_POWEROFF = 27
    SHUTDOWN_UNDEPLOY = 29
    EPILOG_UNDEPLOY = 30
    PROLOG_UNDEPLOY = 31
    BOOT_UNDEPLOY = 32
    HOTPLUG_PROLOG_POWEROFF = 33
    HOTPLUG_EPILOG_POWEROFF = 34
    BOOT_MIGRATE = 35
    BOOT_FAILURE = 36
    BOOT_MIGRATE_FAILURE = 37
    PROLOG_MIGRATE_FAILURE = 38
    PROLOG_FAILURE = 39
    EPILOG_FAILURE = 40
    EPILOG_STOP_FAILURE = 41
    EPILOG_UNDEPLOY_FAILURE = 42
    PROLOG_MIGRATE_POWEROFF = 43
    PROLOG_MIGRATE_POWEROFF_FAILURE = 44
    BOOT_UNDEPLOY_FAILURE = 47
    BOOT_STOPPED_FAILURE = 48
    PROLOG_RESUME_FAILURE = 49
    PROLOG_UNDEPLOY_FAILURE = 50
    DISK_SNAPSHOT_POWEROFF = 51
    DISK_SNAPSHOT_REVERT_POWEROFF = 52
    DISK_SNAPSHOT_DELETE_POWEROFF = 53
    DISK_SNAPSHOT = 57
    DISK_SNAPSHOT_DELETE = 59
    DISK_RESIZE = 62
    DISK_RESIZE_POWEROFF = 63
    DISK_RESIZE_UNDEPLOYED = 64
    HOTPLUG_RESIZE = 66
    BACKUP = 69
    BACKUP_POWEROFF = 70
    RESTORE = 71


class HostState(enum.IntEnum):
    """OpenNebula's host states."""

    INIT = 0
    MONITORED = 2
    ERROR = 3
    DISABLED = 4
    OFFLINE = 8


UNFIT = "unfit"
"""Key of a host's body: it was set up and cannot be used, so it is no better when it answers."""


class ImageState(enum.IntEnum):
    """OpenNebula's image states (those in use here)."""

    INIT = 0
    READY = 1
    USED = 2
    DISABLED = 3
    LOCKED = 4
    ERROR = 5
    CLONE = 6
    DELETE = 7
    USED_PERS = 8


class Place(NamedTuple):
    """Where a VM stands: STATE and, while ACTIVE, LCM_STATE."""

    state: VmState
    lcm: LcmState = LcmState.LCM_INIT

    @property
    def name(self) -> str:
        """The name that people see: the LCM state's while ACTIVE, else the state's."""
        return self.lcm.name if self.state is VmState.ACTIVE else self.state.name


def active(lcm: LcmState) -> Place:
    """ACTIVE with that LCM state."""
    return Place(VmState.ACTIVE, lcm)


def place_named(name: str) -> Place | None:
    """The place that `Place.name` calls so (any case), or None."""
    wanted = name.upper()
    if wanted in VmState.__members__ and wanted != "ACTIVE":
        return Place(VmState[wanted])
    if wanted in LcmState.__members__ and wanted != "LCM_INIT":
        return active(LcmState[wanted])
    return None
