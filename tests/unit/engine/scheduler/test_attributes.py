"""What expressions see of rows."""

from __future__ import annotations

from nebula.engine.scheduler.attributes import datastore_attributes, host_attributes, network_attributes, spaces
from nebula.engine.scheduler.expressions import DATASTORE, HOST, NETWORK
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, NetworkRow

CPU = """<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Server</model><vendor>Intel</vendor>
<feature policy='require' name='aes'/><feature policy='disable' name='hle'/><feature name="avx" policy="require"/></cpu>"""
CLUSTER = ClusterRow(id=1, name="east", body={"attributes": {"SITE": "berlin", "SSD": "NO", "ARCH": "mips"}})
ROW = HostRow(
    id=7, name="a7", cluster_id=1, state=2, virt="kvm", cpu_total=1600, memory_total=65536, cpu_max=1500, memory_max=60000,
    cpu_used=400, memory_used=1024,
    body={
        "attributes": {"SSD": "YES", "GPU": {"MODEL": "A100"}, "FAST": True, "MODELNAME": "mine", "RUNNING_VMS": 99},
        "facts": {"cpu_xml": CPU, "arch": "x86_64", "hostname": "a7.lab", "cpu_model": "Xeon", "machines": ["q35", "pc"]},
    },
)  # fmt: skip


def test_every_attribute_of_a_host_is_told_in_its_unit() -> None:
    found = host_attributes(ROW, CLUSTER, (300, 2048, 3), (1, 2, 5), (100, 40, 60))
    full = {**ROW.body["facts"], "cpu_mhz": 2600, "libvirt_version": "10.0.0"}
    whole = host_attributes(
        HostRow(**{**{name: getattr(ROW, name) for name in ROW.__struct_fields__}, "body": {"facts": full}}),
        CLUSTER, (300, 2048, 3), (), (1, 1, 0),
    )  # fmt: skip
    assert set(HOST.attributes) <= set(whole)
    assert found["FREE_MEMORY"] == (65536 - 1024) << 10
    assert found["MEM_USAGE"] == 2048 << 10
    assert (found["FREE_CPU"], found["CPU_USAGE"], found["RESERVED_CPU"]) == (1200, 300, 100)
    assert (found["MAX_DISK"], found["USED_DISK"], found["FREE_DISK"]) == (100, 40, 60)
    assert (found["CPU_MODEL"], found["KVM_CPU_FEATURES"]) == ("Skylake-Server", ("aes", "avx"))
    assert found["CURRENT_VMS"] == (1, 2, 5)


def test_what_people_set_wins_and_the_cluster_comes_last() -> None:
    found = host_attributes(ROW, CLUSTER, (0, 0, 3), (), ())
    assert (found["SSD"], found["SITE"], found["ARCH"], found["MODELNAME"]) == ("YES", "berlin", "x86_64", "mine")
    assert (found["GPU/MODEL"], found["FAST"]) == ("A100", "YES")
    assert found["RUNNING_VMS"] == 3, "what the scheduler counts itself cannot be set"


def test_what_was_not_measured_is_missing() -> None:
    found = host_attributes(HostRow(id=1, name="a", cluster_id=9, state=0), None, (0, 0, 0), (), ())
    assert not {"FREE_CPU", "USED_CPU", "FREE_MEMORY", "USED_MEMORY", "FREE_DISK", "CLUSTER", "ARCH"} & set(found)


def test_the_largest_directory_counts() -> None:
    rows = [
        DatastoreRow(id=1, name="a", type="image", driver="ssh", body={"space": {"7": [100, 10, 90], "8": [5, 5, 0]}}),
        DatastoreRow(id=2, name="b", type="image", driver="ssh", body={"space": {"7": [300, 50, 250]}}),
    ]
    assert spaces(rows) == {7: (300, 50, 250), 8: (5, 5, 0)}


def test_every_attribute_of_a_datastore_is_told() -> None:
    row = DatastoreRow(
        id=3, name="fast", type="system", driver="shared", cluster_id=1, total_mib=100, used_mib=40, free_mib=60,
        body={"attributes": {"TIER": "gold"}},
    )  # fmt: skip
    found = datastore_attributes(row, {1: CLUSTER}, shared=True)
    assert set(found) == set(DATASTORE.attributes) | {"TIER"}
    assert (found["TYPE"], found["SHARED"], found["CLUSTERS/ID"], found["FREE_MB"]) == (1, "YES", (1,), 60)
    everywhere = datastore_attributes(DatastoreRow(id=4, name="x", type="image", driver="ssh"), {1: CLUSTER}, shared=False)
    assert (everywhere["CLUSTERS/ID"], everywhere["SHARED"]) == ((1,), "NO")
    assert not {"CLUSTER", "CLUSTER_ID", "FREE_MB"} & set(everywhere)


def test_every_attribute_of_a_network_is_told() -> None:
    settings = {"gateway": "10.0.0.1", "mtu": 1450, "physical_device": "eth1"}
    row = NetworkRow(
        id=3, name="lan", driver="bridge", bridge="br0", cluster_id=1, used_leases=4, parent_id=2,
        body={"settings": settings, "attributes": {"ZONE": "dmz"}},
    )  # fmt: skip
    found = network_attributes(row, {1: CLUSTER}, size=10)
    assert set(found) == set(NETWORK.attributes) | {"ZONE"}
    assert (found["FREE_LEASES"], found["MTU"], found["PHYDEV"]) == (6, 1450, "eth1")
