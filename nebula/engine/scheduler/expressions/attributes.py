"""The attributes that expressions may name, with their kinds and units; what people set themselves comes on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["number", "text", "words", "many", "ids"]
KIB, MIB = 1 << 10, 1 << 20


class Attribute(NamedTuple):
    """`kind`: number, text, words (text with several words), many (several values) or ids (CURRENT_VMS).

    `unit` is bytes in one, for numbers that count bytes, else 0; `words` says what it is.
    """

    kind: Kind
    words: str
    unit: int = 0


class Subject(NamedTuple):
    """What an expression is about. `prefixes` are the parts of OpenNebula's XPaths that lead to plain attributes;
    `elsewhere` the attributes that OpenNebula has and Nebula does not tell.
    """

    noun: str
    attributes: Mapping[str, Attribute]
    prefixes: tuple[str, ...]
    elsewhere: frozenset[str] = frozenset()

    def short(self, name: str) -> str:
        """The attribute that a name or an XPath means: `/HOST/TEMPLATE/ARCH` is ARCH."""
        path = _PATHS.get(name.lstrip("/"), name.lstrip("/"))
        for prefix in self.prefixes:
            if path.startswith(prefix) and path != prefix:
                return _PATHS.get(path[len(prefix) :], path[len(prefix) :])
        return path


_PATHS = {"HOST/VMS/ID": "CURRENT_VMS", "VMS/ID": "CURRENT_VMS"}


def _number(words: str, unit: int = 0) -> Attribute:
    return Attribute("number", words, unit)


def _text(words: str) -> Attribute:
    return Attribute("text", words)


_CPU = "hundredths of a core"

HOST = Subject(
    "host",
    {
        "ID": _number("the host's id"),
        "NAME": _text("the host's name"),
        "HOSTNAME": _text("what the host calls itself"),
        "STATE": _number("2 MONITORED, 4 DISABLED, 3 ERROR, 8 OFFLINE, 0 INIT"),
        "CLUSTER_ID": _number("its cluster's id"),
        "CLUSTER": _text("its cluster's name"),
        "ARCH": _text("x86_64, aarch64 …"),
        "HYPERVISOR": _text("kvm, or qemu where guests are emulated"),
        "VM_MAD": _text("the same as HYPERVISOR"),
        "MODELNAME": _text("the processor's name"),
        "CPU_MODEL": _text("the newest CPU model of libvirt that the host can run"),
        "KVM_CPU_MODEL": _text("the same as CPU_MODEL"),
        "KVM_CPU_MODELS": Attribute("words", "CPU models of libvirt that guests may have"),
        "KVM_CPU_FEATURES": Attribute("words", "features of the host's CPU, in libvirt's words"),
        "MEMORY_ENCRYPTION": Attribute("words", "SEV, SEV-ES: how guests' memory can be encrypted"),
        "KVM_MACHINES": Attribute("words", "machine types that guests may have"),
        "CPUSPEED": _number("clock in MHz"),
        "VERSION": _text("libvirt's version"),
        "TOTAL_CPU": _number(f"all cores, in {_CPU}"),
        "MAX_CPU": _number(f"what may be promised to VMs, in {_CPU}"),
        "CPU_USAGE": _number(f"what is promised to VMs, in {_CPU}"),
        "USED_CPU": _number(f"measured, in {_CPU}"),
        "FREE_CPU": _number(f"total less measured, in {_CPU}"),
        "RESERVED_CPU": _number(f"total less what may be promised, in {_CPU}"),
        "TOTAL_MEM": _number("all memory", KIB),
        "MAX_MEM": _number("what may be promised to VMs", KIB),
        "MEM_USAGE": _number("what is promised to VMs", KIB),
        "USED_MEMORY": _number("measured", KIB),
        "FREE_MEMORY": _number("total less measured", KIB),
        "RESERVED_MEM": _number("total less what may be promised", KIB),
        "MAX_DISK": _number("size of its largest datastore directory", MIB),
        "USED_DISK": _number("used there", MIB),
        "FREE_DISK": _number("free there", MIB),
        "RUNNING_VMS": _number("VMs that have a place on it, in any state"),
        "CURRENT_VMS": Attribute("ids", "ids of those VMs; only = and !="),
    },
    (
        "HOST/TEMPLATE/",
        "HOST/HOST_SHARE/DATASTORES/",
        "HOST/HOST_SHARE/",
        "HOST/MONITORING/CAPACITY/",
        "HOST/MONITORING/SYSTEM/",
        "HOST/CLUSTER_TEMPLATE/",
        "HOST/",
        "TEMPLATE/",
        "HOST_SHARE/DATASTORES/",
        "HOST_SHARE/",
        "DATASTORES/",
        "MONITORING/CAPACITY/",
        "MONITORING/SYSTEM/",
        "CLUSTER_TEMPLATE/",
    ),
    frozenset(
        {
            "NETRX", "NETTX", "NETRX_BW", "NETTX_BW", "IM_MAD", "MEMORY_ENCRYPTION", "CGROUPS_VERSION",
            "AUTONFS_MOUNT", "PIN_POLICY", "PRIORITY",
        }
        | {
            f"{name}_{when}"
            for name in ("FREE_CPU", "USED_CPU", "FREE_MEMORY", "USED_MEMORY", "NETRX_BW", "NETTX_BW")
            for when in ("FORECAST", "FORECAST_FAR")
        }
    ),
)  # fmt: skip

DATASTORE = Subject(
    "datastore",
    {
        "ID": _number("the datastore's id"),
        "NAME": _text("the datastore's name"),
        "TYPE": _number("0 image, 1 system, 2 file"),
        "STATE": _number("0 READY, 1 DISABLED"),
        "TM_MAD": _text("its driver: ssh, shared …"),
        "DS_MAD": _text("the same as TM_MAD"),
        "SHARED": _text("YES if all hosts see the same files, else NO"),
        "CLUSTER_ID": _number("its cluster's id; none if it is in all"),
        "CLUSTER": _text("its cluster's name; none if it is in all"),
        "CLUSTERS/ID": Attribute("many", "ids of the clusters that it is in"),
        "TOTAL_MB": _number("size", MIB),
        "USED_MB": _number("used", MIB),
        "FREE_MB": _number("free", MIB),
    },
    ("DATASTORE/TEMPLATE/", "DATASTORE/", "TEMPLATE/"),
    frozenset({"PRIORITY", "DISK_TYPE", "BASE_PATH", "DRIVER", "LN_TARGET", "CLONE_TARGET"}),
)

NETWORK = Subject(
    "network",
    {
        "ID": _number("the network's id"),
        "NAME": _text("the network's name"),
        "VN_MAD": _text("its driver: bridge …"),
        "BRIDGE": _text("its bridge"),
        "CLUSTER_ID": _number("its cluster's id; none if it is in all"),
        "CLUSTER": _text("its cluster's name; none if it is in all"),
        "CLUSTERS/ID": Attribute("many", "ids of the clusters that it is in"),
        "USED_LEASES": _number("addresses taken"),
        "FREE_LEASES": _number("addresses free"),
        "PARENT_NETWORK_ID": _number("the network that it was reserved from"),
        "GATEWAY": _text("its gateway"),
        "MTU": _number("its MTU"),
        "PHYDEV": _text("its physical device"),
    },
    ("VNET/TEMPLATE/", "VNET/", "TEMPLATE/"),
    frozenset({"PRIORITY", "VLAN_ID", "OUTER_VLAN_ID", "STATE", "OUTBOUND_AVG_BW", "INBOUND_AVG_BW"}),
)
