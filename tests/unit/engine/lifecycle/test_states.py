"""Codes and names are OpenNebula's: its clients read them."""

from __future__ import annotations

import enum

import pytest

from nebula.engine.lifecycle.states import HostState, ImageState, LcmState, VmState

VM = "0 INIT 1 PENDING 2 HOLD 3 ACTIVE 4 STOPPED 5 SUSPENDED 6 DONE 8 POWEROFF 9 UNDEPLOYED 10 CLONING 11 CLONING_FAILURE"
LCM = """
    0 LCM_INIT 1 PROLOG 2 BOOT 3 RUNNING 4 MIGRATE 5 SAVE_STOP 6 SAVE_SUSPEND 7 SAVE_MIGRATE 8 PROLOG_MIGRATE 9 PROLOG_RESUME
    10 EPILOG_STOP 11 EPILOG 12 SHUTDOWN 15 CLEANUP_RESUBMIT 16 UNKNOWN 17 HOTPLUG 18 SHUTDOWN_POWEROFF 19 BOOT_UNKNOWN
    20 BOOT_POWEROFF 21 BOOT_SUSPENDED 22 BOOT_STOPPED 23 CLEANUP_DELETE 24 HOTPLUG_SNAPSHOT 25 HOTPLUG_NIC 26 HOTPLUG_SAVEAS
    27 HOTPLUG_SAVEAS_POWEROFF 28 HOTPLUG_SAVEAS_SUSPENDED 29 SHUTDOWN_UNDEPLOY 30 EPILOG_UNDEPLOY 31 PROLOG_UNDEPLOY
    32 BOOT_UNDEPLOY 33 HOTPLUG_PROLOG_POWEROFF 34 HOTPLUG_EPILOG_POWEROFF 35 BOOT_MIGRATE 36 BOOT_FAILURE
    37 BOOT_MIGRATE_FAILURE 38 PROLOG_MIGRATE_FAILURE 39 PROLOG_FAILURE 40 EPILOG_FAILURE 41 EPILOG_STOP_FAILURE
    42 EPILOG_UNDEPLOY_FAILURE 43 PROLOG_MIGRATE_POWEROFF 44 PROLOG_MIGRATE_POWEROFF_FAILURE 45 PROLOG_MIGRATE_SUSPEND
    46 PROLOG_MIGRATE_SUSPEND_FAILURE
"""
HOST = "0 INIT 2 MONITORED 3 ERROR 4 DISABLED 8 OFFLINE"
IMAGE = "0 INIT 1 READY 2 USED 3 DISABLED 4 LOCKED 5 ERROR 6 CLONE 7 DELETE 8 USED_PERS 9 LOCKED_USED 10 LOCKED_USED_PERS"


def _codes(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(code) for code, name in zip(words[::2], words[1::2], strict=True)}


@pytest.mark.parametrize(("ours", "theirs"), [(VmState, VM), (LcmState, LCM), (HostState, HOST), (ImageState, IMAGE)])
def test_codes_are_opennebulas(ours: type[enum.IntEnum], theirs: str) -> None:
    known = _codes(theirs)
    assert {member.name: member.value for member in ours}.items() <= known.items()


def test_all_states_of_a_vm_are_there() -> None:
    assert {member.name: member.value for member in VmState} == _codes(VM)
