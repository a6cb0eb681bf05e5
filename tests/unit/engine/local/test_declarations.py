"""Documents made so: compared attribute by attribute, carried out by the nouns' verbs, and only what bears the label goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nebula.cli.documents import document_of
from nebula.cli.verbs.export import yaml_of
from nebula.cli.yamlfile import parse
from nebula.engine.api.values import Call, Difference
from nebula.engine.store.rows import NetworkRow
from nebula.errors import ConflictError, DeniedError, NotFoundError, UsageError
from tests.support.sim import CALL, Sim, sim_engine

Document = dict[str, Any]
OURS = Call(actor="tester", label="lab")
SET: list[Document] = [
    {"kind": "vm", "name": "web", "memory": "512M", "disk": [{"image": "base"}], "nic": [{"network": "lan"}], "colour": "blue"}
    | {"nic_alias": [{"network": "lan", "parent": "NIC0", "name": "shop"}]},
    {
        "kind": "template",
        "name": "small",
        "memory": "512M",
        "disk": [{"image": "base"}],
        "user_inputs": {"TITLE": "M|text|Its title"},
    },
    {"kind": "vmgroup", "name": "shop", "roles": [{"name": "web", "policy": "anti-affined"}, {"name": "db"}]},
    {"kind": "image", "name": "base", "size": "10M", "datastore": "disks"},
    {"kind": "network", "name": "part", "parent": "lan", "size": "4"},
    {"kind": "network", "name": "lan", "driver": "sim", "ranges": [{"ip": "10.9.0.10-10.9.0.40"}], "attributes": {"VLAN": "7"}},
    {"kind": "datastore", "name": "disks", "driver": "sim", "attributes": {"speed": "high"}},
    {"kind": "host", "name": "a1", "driver": "sim", "cluster": "lab", "reserved_memory": "1G", "attributes": {"RACK": "3"}},
    {"kind": "cluster", "name": "lab", "migration_bandwidth": "100", "attributes": {"SITE": "north"}},
]


def apply(sim: Sim, documents: list[Document], call: Call = OURS) -> None:
    """As the command does: in the order of the differences, each when the one before is done."""
    named = {(item["kind"], item["name"]): item for item in documents}
    for found in sim.engine.declarations.compare(documents):
        sim.engine.declarations.make(named[found.kind, found.name], call)
        sim.settle()


def differing(sim: Sim, documents: list[Document], **more: Any) -> list[Difference]:
    return [item for item in sim.engine.declarations.compare(documents, **more) if item.action]


def paths(item: Difference) -> dict[str, tuple[str | None, str | None]]:
    return {change.path: (change.before, change.after) for change in item.changes}


def changed(name: str, **settings: Any) -> list[Document]:
    return [{**item, **settings} if item["name"] == name else item for item in SET]


def exported(sim: Sim, *kinds: str) -> list[Document]:
    return [item.body for item in sim.engine.declarations.export(kinds)]


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the set exists; nobody owns it."""
    home = tmp_path_factory.mktemp("made") / "home"
    with sim_engine(home, furnished=False) as sim:
        apply(sim, SET)
        assert sim.state("web") == "RUNNING"
    return home


@pytest.fixture
def made(made_home: Path, tmp_path: Path) -> Iterator[Sim]:
    """An engine at work in a copy of it."""
    with sim_engine(Path(shutil.copytree(made_home, tmp_path / "home")), furnished=False) as sim:
        yield sim


def test_what_stands_on_others_comes_after_them(bare: Sim) -> None:
    order = [item.kind for item in bare.engine.declarations.compare(SET)]
    assert order == ["cluster", "host", "datastore", "network", "network", "image", "template", "vmgroup", "vm"]
    assert [item.name for item in bare.engine.declarations.compare(SET)][3:5] == ["lan", "part"]


def test_a_second_run_changes_nothing(made: Sim) -> None:
    assert differing(made, SET) == []
    events = made.engine.system.status().last_event
    apply(made, SET)
    assert made.engine.system.status().last_event == events


CHANGES = [
    ("lab", {"migration_bandwidth": "200"}, {"migration_bandwidth": ("100", "200")}),
    (
        "lab",
        {"attributes": {"SITE": "south", "FLOOR": "2"}},
        {"attributes/SITE": ("north", "south"), "attributes/FLOOR": (None, "2")},
    ),
    ("lab", {"attributes": {}}, {"attributes/SITE": ("north", None)}),
    ("lab", {"drs": {"mode": "full", "weights.cpu": 2}}, {"drs/mode": (None, "full"), "drs/weights.cpu": (None, "2.0")}),
    ("a1", {"reserved_memory": "2G"}, {"reserved_memory": ("1G", "2G")}),
    ("a1", {"state": "disabled"}, {"state": ("enabled", "disabled")}),
    (
        "a1",
        {"state": "disabled", "attributes": {"RACK": "4"}},
        {"state": ("enabled", "disabled"), "attributes/RACK": ("3", "4")},
    ),
    ("lan", {"holds": ["10.9.0.40"]}, {"holds[0]": (None, "10.9.0.40")}),
    ("disks", {"attributes": {"SPEED": "low"}}, {"attributes/SPEED": ("high", "low")}),
    ("part", {"attributes": {"OWNER": "me"}}, {"attributes/OWNER": (None, "me"), "attributes/VLAN": ("7", None)}),
    ("shop", {"roles": [{"name": "web"}]}, {"roles/web/policy": ("ANTI_AFFINED", "NONE"), "roles/db/policy": ("NONE", None)}),
    (
        "shop",
        {"roles": [{"name": "web", "host_affined": ["a1"]}, {"name": "db"}]},
        {"roles/web/policy": ("ANTI_AFFINED", "NONE"), "roles/web/host_affined[0]": (None, "a1")},
    ),
    (
        "web",
        {"colour": "red", "vmgroup": "shop:web"},
        {"COLOUR": ("blue", "red"), "VMGROUP/VMGROUP_NAME": (None, "shop"), "VMGROUP/ROLE": (None, "web")},
    ),
    ("small", {"memory": "1G"}, {"MEMORY": ("512", "1024")}),
    ("web", {"cpu": "0.5", "colour": "red"}, {"CPU": ("1", "0.5"), "COLOUR": ("blue", "red")}),
    ("web", {"context": {"TITLE": "cats"}}, {"CONTEXT/TITLE": (None, "cats")}),
    ("web", {"colour": ""}, {"COLOUR": ("blue", None)}),
]


@pytest.mark.parametrize(("name", "change", "expected"), CHANGES)
def test_a_change_is_said_attribute_by_attribute_and_made(made: Sim, name: str, change: Document, expected: Document) -> None:
    documents = changed(name, **change)
    (found,) = differing(made, documents)
    assert (found.action, found.name, paths(found)) == ("update", name, expected)
    apply(made, documents)
    assert differing(made, documents) == []


def test_a_context_that_a_document_no_longer_names_goes(made: Sim) -> None:
    apply(made, changed("web", context={"TITLE": "cats", "PASSWORD": "secret"}))
    apply(made, SET)
    assert differing(made, SET) == []
    assert made.vm("web").body["template"]["CONTEXT"].get("PASSWORD") == "secret"
    assert not made.vm("web").body["template"]["CONTEXT"].get("TITLE")


def test_a_vm_that_is_off_is_given_its_new_size_and_one_that_runs_keeps_what_it_has(made: Sim) -> None:
    documents = changed("web", memory="1G", vcpu="2", cpu="2")
    events = made.engine.system.status().last_event
    with pytest.raises(ConflictError):
        made.engine.declarations.make(documents[0], CALL)
    assert made.engine.system.status().last_event == events
    made.engine.vms.poweroff("web", CALL)
    made.settle()
    apply(made, documents)
    assert differing(made, documents) == []
    assert (made.vm("web").memory, made.vm("web").vcpus) == (1024, 2)


def test_holds_settings_of_drs_and_states_of_hosts_go_where_a_document_says_so(made: Sim) -> None:
    wanted = changed("lan", holds=["10.9.0.39", "10.9.0.40"])
    drs = {"interval": "10m", "blackout_days": "sunday"}
    wanted = [{**item, "drs": drs} if item["name"] == "lab" else item for item in wanted]
    wanted = [{**item, "state": "disabled"} if item["name"] == "a1" else item for item in wanted]
    apply(made, wanted)
    assert differing(made, wanted) == []
    told = {item["kind"]: item for item in exported(made, "cluster", "host", "network") if item["name"] in {"lab", "a1", "lan"}}
    assert told["cluster"]["drs"] == {"interval": "600s", "blackout_days": "sunday"}
    assert (told["host"]["state"], told["network"]["holds"]) == ("disabled", ["10.9.0.39", "10.9.0.40"])
    less = changed("lan", holds=["10.9.0.40"])
    less = [{**item, "drs": {"interval": "10m"}} if item["name"] == "lab" else item for item in less]
    less = [{**item, "state": "enabled"} if item["name"] == "a1" else item for item in less]
    apply(made, less)
    assert differing(made, less) == []
    assert differing(made, SET) == []
    assert exported(made, "network")[0]["holds"] == ["10.9.0.40"]


def test_ranges_come_and_go(made: Sim) -> None:
    documents = changed("lan", ranges=[{"ip": "10.9.0.10-10.9.0.40"}, {"ip": "10.9.1.1", "size": "5"}])
    apply(made, documents)
    assert differing(made, documents) == []
    apply(made, SET)
    assert differing(made, SET) == []
    with pytest.raises(ConflictError, match="leases"):
        apply(made, changed("lan", ranges=[{"ip": "10.9.3.1", "size": "5"}]))


FIXED = [
    ("base", {"size": "20M"}),
    ("disks", {"type": "system"}),
    ("lan", {"gateway": "10.9.0.1"}),
    ("web", {"disk": [{"image": "base", "target": "sdz"}]}),
    ("a1", {"driver": "libvirt"}),
    ("part", {"parent": "other"}),
]


@pytest.mark.parametrize(("name", "change"), FIXED)
def test_what_cannot_change_in_place_is_refused_and_nothing_is_done(made: Sim, name: str, change: Document) -> None:
    documents = changed(name, **change)
    (found,) = differing(made, documents)
    assert "cannot be changed in place" in found.refused
    events = made.engine.system.status().last_event
    with pytest.raises(ConflictError, match="in place"):
        made.engine.declarations.make(next(item for item in documents if item["name"] == name), CALL)
    assert made.engine.system.status().last_event == events


NONSENSE = [
    ({"name": "x"}, "no kind"),
    ({"kind": "wm", "name": "x"}, "no kind of object"),
    ({"kind": "vm"}, "no name"),
    ({"kind": "host", "name": "x", "adress": "1.2.3.4"}, "no setting"),
    ({"kind": "vm", "name": "7", "memory": "1G"}, "name"),
    ({"kind": "vm", "name": "x", "memory": "much"}, "MEMORY"),
    ({"kind": "network", "name": "x", "ranges": [{"ip": "no"}]}, "no"),
    ({"kind": "cluster", "name": "x", "attributes": "7"}, "attributes"),
    ({"kind": "cluster", "name": "x", "drs": {"speed": "7"}}, "speed"),
    ({"kind": "host", "name": "x", "driver": "sim", "state": "asleep"}, "state"),
]


@pytest.mark.parametrize(("document", "words"), NONSENSE)
def test_a_document_that_makes_no_sense_is_one_clear_error(bare: Sim, document: Document, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bare.engine.declarations.compare([*SET, document])
    with pytest.raises(UsageError):
        bare.engine.declarations.make(document, CALL)


def test_two_documents_of_one_object_are_refused(bare: Sim) -> None:
    with pytest.raises(UsageError, match="two documents"):
        bare.engine.declarations.compare([*SET, SET[0]])


def test_only_what_the_set_made_is_left_over(made: Sim) -> None:
    made.engine.clusters.create("by-hand", CALL)
    apply(made, [{"kind": "cluster", "name": "theirs"}], Call(actor="tester", label="other"))
    left = differing(made, [], label="lab", prune=True)
    assert [item.name for item in left] == ["web", "shop", "small", "base", "part", "lan", "disks", "a1", "lab"]
    assert {item.action for item in left} == {"remove"}
    for item in left:
        made.engine.declarations.remove(item.kind, str(item.id), "lab", CALL)
        made.settle()
    assert {item.name for item in made.engine.declarations.export()} == {
        "default",
        "by-hand",
        "theirs",
        "system",
        "files",
    }


def test_nothing_is_removed_without_its_label(made: Sim) -> None:
    made.engine.clusters.create("by-hand", CALL)
    for name, label in (("by-hand", "lab"), ("lab", "other"), ("lab", ""), ("by-hand", "")):
        with pytest.raises(ConflictError, match="does not belong"):
            made.engine.declarations.remove("cluster", name, label, CALL)
    with pytest.raises(NotFoundError):
        made.engine.declarations.remove("cluster", "ghost", "lab", CALL)


def test_a_change_leaves_the_label_and_an_object_of_others_gets_none(made: Sim) -> None:
    made.engine.clusters.create("by-hand", CALL)
    apply(made, [*changed("shop", roles=[{"name": "web"}]), {"kind": "cluster", "name": "by-hand", "attributes": {"A": "1"}}])
    made.engine.networks.reserve("lan", "by-hand-too", 2, CALL)
    made.engine.vms.update("web", {"SIZE": "xl"}, CALL)
    left = {item.name for item in differing(made, [], label="lab", prune=True)}
    assert {"shop", "web"} <= left
    assert left.isdisjoint({"by-hand", "by-hand-too"})


def test_secrets_are_neither_exported_nor_shown_nor_lost(bare: Sim) -> None:
    apply(bare, [item for item in SET if item["kind"] != "vm"])
    context = {"PASSWORD": "s3cret", "USERNAME": "me"}
    documents = [{**SET[0], "context": context, "vnc_password": "s3cret", "remote": "https://me:s3cret@host/x"}]
    apply(bare, documents)
    assert "s3cret" not in repr(exported(bare))
    assert differing(bare, exported(bare)) == []
    (found,) = differing(bare, [{**documents[0], "context": {**context, "PASSWORD": "other"}, "vnc_password": "new"}])
    assert "s3cret" not in repr(found)
    assert paths(found)["VNC_PASSWORD"] == ("(hidden)", "(hidden)")
    known = next(item for item in exported(bare) if item["kind"] == "vm")
    apply(bare, [{**known, "colour": "red"}])
    assert bare.engine.declarations.compare(documents)[0].changes[0].path == "COLOUR"
    assert len(bare.engine.declarations.compare(documents)[0].changes) == 1


def test_an_image_that_did_not_come_is_made_anew(bare: Sim) -> None:
    apply(bare, [item for item in SET if item["kind"] in {"cluster", "host", "datastore"}])
    bare.world.faults.error("a1", "datastore.create_empty", "command")
    documents = [item for item in SET if item["kind"] == "image"]
    apply(bare, documents)
    assert bare.image("base").state == 5
    (found,) = differing(bare, documents)
    assert paths(found)["state"] == ("ERROR", "well")
    apply(bare, documents)
    apply(bare, documents)
    assert bare.image("base").state == 1
    assert differing(bare, documents) == []


def web_of(sim: Sim) -> Document:
    return next(item for item in exported(sim, "vm") if item["name"] == "web")


def assert_told_whole(sim: Sim, another: Path) -> None:
    """What is exported changes nothing where it comes from, and makes the same in an empty home."""
    everything = written(exported(sim))
    assert differing(sim, everything) == []
    with sim_engine(another, furnished=False) as two:
        apply(two, everything)
        assert differing(two, everything) == []
        assert written(exported(two)) == everything


def on_cards(sim: Sim, verb: str, *words: Any) -> None:
    getattr(sim.engine.vms, f"nic_{verb}")("web", *words, CALL)
    sim.settle()


def test_cards_and_aliases_are_exported_as_they_are_now(made: Sim, tmp_path: Path) -> None:
    on_cards(made, "attach", {"NETWORK": "lan", "METRIC": "50", "IP": "10.9.0.35"})
    on_cards(made, "attach", {"NETWORK": "lan", "NAME": "back"})
    on_cards(made, "attach", {"NETWORK_ID": str(made.network("lan").id), "PARENT": "2", "IP": "10.9.0.36"})
    on_cards(made, "attach", {"NETWORK": "lan", "PARENT": "back"})
    on_cards(made, "update", "back", {"INBOUND_AVG_BW": "100"})
    on_cards(made, "detach", "0")
    now = web_of(made)
    assert now["nic"] == [
        {"network": "lan", "metric": "50", "ip": "10.9.0.35"},
        {"network": "lan", "name": "back", "inbound_avg_bw": "100"},
    ]
    assert now["nic_alias"] == [
        {"network": "lan", "ip": "10.9.0.36", "parent": "NIC0"},
        {"network": "lan", "parent": "back"},
    ]
    assert_told_whole(made, tmp_path / "two")


def on_disks(sim: Sim, verb: str, *words: Any) -> None:
    getattr(sim.engine.vms, f"disk_{verb}")("web", *words, CALL)
    sim.settle()


def test_disks_are_exported_as_they_are_now(made: Sim, tmp_path: Path) -> None:
    on_disks(made, "attach", {"SIZE": "512", "SERIAL": "data"})
    on_disks(made, "attach", {"IMAGE_ID": str(made.engine.images.show("base").id)})
    on_disks(made, "attach", {"SIZE": "64", "TYPE": "swap"})
    on_disks(made, "resize", "1", 1024)
    on_disks(made, "detach", "3")
    assert web_of(made)["disk"][1:] == [{"type": "fs", "size": 1024, "serial": "data"}, {"image": "base"}]
    assert_told_whole(made, tmp_path / "two")


def test_a_cd_comes_and_goes_as_a_document_says_and_an_empty_drive_is_told_of(made: Sim, tmp_path: Path) -> None:
    made.add_image("disc", type="cdrom")
    first, *_ = web_of(made)["disk"]
    drive = {"type": "cdrom"}
    made.engine.vms.poweroff("web", CALL)  # a drive neither comes nor goes while the guest runs
    made.settle()
    apply(made, changed("web", disk=[first, drive]))
    made.engine.vms.resume("web", CALL)
    made.settle()
    for disks in ([first, drive], [first, {"image": "disc"}], [first, drive]):
        wanted = changed("web", disk=disks)
        apply(made, wanted)
        assert differing(made, wanted) == []
        assert web_of(made)["disk"][1:] == disks[1:]
        assert made.engine.vms.show("web").body["disks"][1]["image"] == disks[1].get("image")
        assert made.state("web") == "RUNNING"
    made.engine.images.remove("disc", CALL)
    made.settle()
    assert_told_whole(made, tmp_path / "two")
    made.assert_sound()


@pytest.mark.parametrize("off", [False, True])
def test_disks_come_and_grow_as_a_document_says(made: Sim, off: bool) -> None:
    if off:
        made.engine.vms.poweroff("web", CALL)
        made.settle()
    first, *_ = web_of(made)["disk"]
    wanted = changed("web", disk=[{**first, "size": "20G"}, {"size": "1G"}, {"size": "2G"}])
    rounds = 0
    while differing(made, wanted):
        apply(made, wanted)
        rounds += 1
    assert rounds == 3, "one thing after the other"
    disks = made.engine.vms.show("web").body["disks"]
    assert [disk["size"] >> 30 for disk in disks] == [20, 1, 2]
    assert made.state("web") == ("POWEROFF" if off else "RUNNING")
    made.assert_sound()


REFUSED = [
    ([], "not detached"),
    ([{"image": "base", "size": "20G"}], "not detached"),
    ([{"image": "base", "size": "20G"}, {"size": "512M"}], "cannot shrink"),
    ([{"image": "base", "size": "20G"}, {"size": "1G", "serial": "other"}], "cannot be changed in place"),
]


@pytest.mark.parametrize(("disks", "words"), REFUSED)
def test_no_disk_is_lost_by_a_document(made: Sim, disks: list[Document], words: str) -> None:
    on_disks(made, "attach", {"SIZE": "1024"})
    (found,) = differing(made, changed("web", disk=disks))
    assert words in found.refused
    with pytest.raises(ConflictError, match=words):
        made.engine.declarations.make(next(item for item in changed("web", disk=disks) if item["name"] == "web"), CALL)


@pytest.mark.parametrize("off", [False, True])
def test_cards_come_change_and_go_as_a_document_says(made: Sim, off: bool) -> None:
    if off:
        made.engine.vms.poweroff("web", CALL)
        made.settle()
    before = made.engine.vms.show("web").body["nics"][0]
    wanted = changed(
        "web",
        nic=[{"network": "lan", "inbound_avg_bw": "9"}, {"network": "lan", "name": "back"}, {"network": "lan", "metric": "7"}],
        nic_alias=[{"network": "lan", "parent": "back"}, {"network": "lan", "parent": "0", "name": "shop"}],
    )
    rounds = 0
    while differing(made, wanted):
        apply(made, wanted)
        rounds += 1
    assert rounds == 4, "one thing after the other"
    nics = made.engine.vms.show("web").body["nics"]
    assert [nic["name"] for nic in nics] == ["NIC0", "back", "NIC3"]
    assert (nics[0]["mac"], nics[0]["inbound"]) == (before["mac"], (9, 0, 0)), "it is the same card"
    assert [[alias["name"] for alias in nic.get("aliases", [])] for nic in nics] == [["shop"], ["back_ALIAS0"], []]
    assert differing(made, written(exported(made))) == []

    while differing(made, SET):
        apply(made, SET)
    (nic,) = made.engine.vms.show("web").body["nics"]
    assert (nic["mac"], nic["inbound"]) == (before["mac"], (0, 0, 0))
    assert made.state("web") == ("POWEROFF" if off else "RUNNING")
    made.assert_sound()


def test_another_order_of_cards_is_other_cards(made: Sim) -> None:
    wanted = changed("web", nic=[{"network": "lan", "name": "front"}, {"network": "lan"}], nic_alias=[])
    while differing(made, wanted):
        apply(made, wanted)
    assert made.engine.vms.show("web").body["nics"][0]["name"] == "front"
    assert "nic_alias" not in web_of(made)


ADOPTED: Document = {"kind": "vm", "name": "post", "adopt": {"host": "a1", "domain": "mail"}, "team": "office"}


@pytest.fixture
def mail(made: Sim) -> str:
    """The UUID of a domain that somebody made on a1."""
    return made.world.virsh.add_foreign("a1", "mail", vcpus=2, memory_mib=256)


@pytest.mark.usefixtures("mail")
def test_a_domain_is_taken_up_as_a_document_says(made: Sim) -> None:
    (found,) = differing(made, [ADOPTED])
    assert (found.action, paths(found)["ADOPT/DOMAIN"]) == ("create", (None, "mail"))
    made.engine.declarations.make(ADOPTED, Call(actor="tester", dry_run=True))
    assert found == differing(made, [ADOPTED])[0]
    apply(made, [ADOPTED])
    assert made.state("post") == "RUNNING"
    assert differing(made, [ADOPTED]) == []
    assert ADOPTED in exported(made, "vm")
    assert differing(made, parse(yaml_of(exported(made)), "it")) == []


def test_it_is_the_same_by_its_uuid_and_wherever_it_is(made: Sim, mail: str) -> None:
    apply(made, [ADOPTED])
    elsewhere = {**ADOPTED, "adopt": {"host": "a7", "domain": mail}}
    assert differing(made, [elsewhere]) == []
    (found,) = differing(made, [{**ADOPTED, "adopt": {"host": "a1", "domain": "dns"}}])
    assert found.refused == "adopt of a vm cannot be changed in place"
    (found,) = differing(made, [{**SET[0], "name": "post"}])
    assert "cannot be changed in place" in found.refused
    (found,) = differing(made, [{**ADOPTED, "name": "web"}])
    assert found.refused


@pytest.mark.usefixtures("mail")
def test_what_a_document_says_of_an_adopted_vm_is_changed_and_nothing_of_its_domain(made: Sim) -> None:
    apply(made, [ADOPTED])
    apply(made, [{**ADOPTED, "team": "shop", "autostart": "yes"}])
    assert (exported(made, "vm")[1]["team"], made.vm("post").autostart) == ("shop", 1)
    with pytest.raises(ConflictError, match="was adopted"):
        apply(made, [{**ADOPTED, "memory": "1G"}])
    with pytest.raises(UsageError, match="adopt names a host and the domain on it"):
        differing(made, [{**ADOPTED, "adopt": "mail"}])


def test_pruned_it_is_let_go_of_and_runs_on(made: Sim, mail: str) -> None:
    apply(made, [ADOPTED])
    (found,) = differing(made, SET, label="lab", prune=True)
    assert (found.action, found.name) == ("remove", "post")
    made.engine.declarations.remove("vm", "post", "lab", CALL)
    made.settle()
    assert made.world.db.all("SELECT state FROM domains WHERE uuid=?", mail) == [("running",)]
    assert [item.name for item in made.engine.hosts.domains("a1")] == ["mail"]


def test_a_vm_whose_deploy_failed_is_tried_again(made: Sim) -> None:
    made.world.faults.error("a1", "datastore.create_disk", "command")
    documents = [*SET, {"kind": "vm", "name": "second", "memory": "512", "disk": [{"image": "base"}]}]
    apply(made, documents)
    assert [item.name for item in differing(made, documents)] == ["second"]
    apply(made, documents)
    assert made.state("second") == "RUNNING"


def test_work_that_is_under_way_is_named(bare: Sim) -> None:
    bare.world.faults.set_latency("a1", "hypervisor.facts", 0.5)
    document = {"kind": "host", "name": "a1", "driver": "sim"}
    job = bare.engine.declarations.make(document, OURS).job_id
    (found,) = bare.engine.declarations.compare([document])
    again = bare.engine.declarations.make(document, OURS)
    assert (found.action, found.job_id, again.job_id) == ("", job, job)


def test_a_name_that_means_two_vms_is_refused(made: Sim) -> None:
    made.engine.vms.create({"NAME": "web", "MEMORY": "512"}, CALL, hold=True)
    with pytest.raises(ConflictError, match="2 vms are called web"):
        made.engine.declarations.compare(SET)


def test_everybody_declares_what_is_theirs(made: Sim) -> None:
    seen, call = made.engine.seen_by("nobody"), Call(actor="nobody", label="theirs")
    assert seen.declarations.export() == []
    assert {item.action for item in seen.declarations.compare(SET)} == {"create"}, "what others own is not compared"
    assert seen.declarations.compare([], label="lab", prune=True) == []
    mine = {"kind": "vm", "name": "mine", "memory": "128"}
    seen.declarations.make(mine, call)
    made.settle()
    assert made.vm("mine").owner == "nobody"
    assert [item.name for item in seen.declarations.export()] == ["mine"]
    assert [item.name for item in seen.declarations.compare([], label="theirs", prune=True)] == ["mine"]
    for document in (SET[-1], {**SET[-2], "name": "a2"}, {**SET[-3], "name": "more"}):
        with pytest.raises(DeniedError):
            seen.declarations.make(document, call)
    with pytest.raises(NotFoundError):
        seen.declarations.remove("vm", "web", "lab", call)
    with pytest.raises(DeniedError):
        seen.vms.adopt("a1", "anything", call)


# --- export then apply is the identity

NAMES = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.sampled_from(["7", "north", "0.50", "007", "NO", "a: b", "it's # 1", "two\nlines", "ü", "null"])
ATTRIBUTES = st.dictionaries(st.sampled_from(["RACK", "SITE", "X_1"]), VALUES, max_size=3)
CLUSTERS = st.fixed_dictionaries({"attributes": ATTRIBUTES}, optional={"migration_tunnel": st.sampled_from(["tls", "plain"])})
HOSTS = st.fixed_dictionaries(
    {"driver": st.just("sim"), "attributes": ATTRIBUTES},
    optional={"reserved_memory": st.sampled_from(["1G", "10%"]), "virt": st.sampled_from(["auto", "qemu"]), "cluster": NAMES},
)
DATASTORES = st.fixed_dictionaries(
    {"driver": st.just("sim"), "attributes": ATTRIBUTES, "type": st.sampled_from(["image", "system"])},
    optional={"settings": st.just({"shared": "True"}), "path": st.just("/srv/x")},
)
IMAGES = st.fixed_dictionaries(
    {"size": st.sampled_from(["1M", "20M"]), "datastore": st.just("store")},
    optional={"persistent": st.sampled_from(["yes", "no"]), "description": VALUES, "format": st.sampled_from(["raw", "qcow2"])},
)
RANGES = [
    {"ip": "10.1.0.10-10.1.0.20"},
    {"IP": "10.2.0.1", "SIZE": "9", "MAC": "02:00:00:00:00:01"},
    {"size": "3"},
    {"IP6": "fd00::1", "SIZE": "4"},
]
NETWORKS = st.fixed_dictionaries(
    {
        "driver": st.just("sim"),
        "ranges": st.lists(st.sampled_from(RANGES), unique_by=str, max_size=3),
        "attributes": ATTRIBUTES,
    },
    optional={"dns": st.just(["9.9.9.9", "FD00::35"]), "mtu": st.just("1400"), "bridge": st.just("br0")},
)
GROUPS = st.fixed_dictionaries(
    {
        "roles": st.lists(st.sampled_from(["web", "db", "mq"]), min_size=2, unique=True).map(
            lambda names: [
                {"name": name, "policy": policy}
                for name, policy in zip(names, ("NONE", "affined", "anti-affined"), strict=False)
            ]
        )
    },
)
DISKS = st.lists(st.sampled_from([{"size": "1G"}, {"SIZE": "20", "FORMAT": "raw"}, {"image": "image-of-all"}]), max_size=3)
VMS = st.fixed_dictionaries(
    {"memory": st.sampled_from(["512", "1G"]), "disk": DISKS, "submit_on_hold": st.just("yes")},
    optional={
        "cpu": st.sampled_from(["0.5", "1", "1.50"]),
        "vcpu": st.sampled_from(["2", "4"]),
        "colour": VALUES,
        "context": st.dictionaries(st.sampled_from(["HOSTNAME", "USERNAME"]), VALUES),
        "nic": st.just([{"network": "lan-of-all"}]),
        "nic_default": st.just({"model": "e1000"}),
        "graphics": st.just({"type": "spice"}),
        "vmgroup": st.just("group-of-all:web"),
        "sched_requirements": st.just('NAME = "h"'),
    },
)
OF_ALL: list[Document] = [
    {"kind": "cluster", "name": "cluster-a"},
    {"kind": "cluster", "name": "cluster-b"},
    {"kind": "host", "name": "first", "driver": "sim"},
    {"kind": "datastore", "name": "store", "driver": "sim"},
    {"kind": "datastore", "name": "sys", "driver": "sim", "type": "system"},
    {"kind": "network", "name": "lan-of-all", "driver": "sim", "ranges": [{"ip": "10.8.0.1-10.8.0.99"}]},
    {"kind": "image", "name": "image-of-all", "size": "1M", "datastore": "store"},
    {"kind": "vmgroup", "name": "group-of-all", "roles": [{"name": "web"}]},
]


TEMPLATES = st.fixed_dictionaries(
    {"memory": st.sampled_from(["512", "1G"])},
    optional={
        "disk": DISKS,
        "colour": VALUES,
        "context": st.just({"TITLE": "$TITLE"}),
        "my_own": st.just(["1", {"B": "2"}]),
        "user_inputs": st.just({"TITLE": "M|text|Its title"}),
    },
)


def named(kind: str, settings: st.SearchStrategy[Document], most: int) -> st.SearchStrategy[list[Document]]:
    return st.lists(settings, max_size=most).map(
        lambda found: [{**item, "kind": kind, "name": f"{kind}-{number}"} for number, item in enumerate(found)]
    )


SETS = st.tuples(
    named("cluster", CLUSTERS, 2),
    named("host", HOSTS, 2),
    named("datastore", DATASTORES, 2),
    named("network", NETWORKS, 2),
    named("image", IMAGES, 2),
    named("vmgroup", GROUPS, 1),
    named("template", TEMPLATES, 2),
    named("vm", VMS, 3),
).map(lambda kinds: [item for kind in kinds for item in kind])


def written(documents: list[Document]) -> list[Document]:
    """What a file says that holds these."""
    return [document_of(item, "x", "x") for item in parse(yaml_of(documents), "x")]


@given(documents=SETS)
@settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
def test_export_then_apply_is_the_identity(documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> None:
    for item in documents:
        if "cluster" in item:
            item["cluster"] = f"cluster-{'ab'[item['cluster'] in 'cd']}"
    with sim_engine(tmp_path_factory.mktemp("one") / "home", furnished=False) as one:
        apply(one, OF_ALL + documents)
        assert differing(one, OF_ALL + documents) == []
        first = written(exported(one))
        assert differing(one, first) == []
    with sim_engine(tmp_path_factory.mktemp("two") / "home", furnished=False) as two:
        apply(two, first)
        assert differing(two, first) == []
        assert written(exported(two)) == first
        assert len(two.rows(NetworkRow)) == sum(item["kind"] == "network" for item in first)
