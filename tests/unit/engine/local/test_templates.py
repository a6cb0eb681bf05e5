"""Templates: stored, changed, and made into VMs."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.engine.local.guard import seen_by
from nebula.engine.people import Person
from nebula.engine.secrets import HIDDEN
from nebula.engine.store.rows import ImageRow, JobRow, TemplateRow
from nebula.errors import ConflictError, DeniedError, NotFoundError, StaleError, UsageError
from tests.support.sim import CALL, DRY, Sim

ALICE, BOB = Person("alice", frozenset({"staff"}), "staff"), Person("bob", frozenset({"staff"}), "staff")
WEB: dict[str, Any] = {
    "NAME": "web",
    "MEMORY": "128",
    "DISK": [{"IMAGE": "base"}],
    "NIC": {"NETWORK": "lan"},
    "CONTEXT": {
        "NETWORK": "YES",
        "BLOG_NAME": "$BLOG on $NAME",
        "DB_ADMIN": "$PW",
        "ADDRESS": '$NIC[IP, NETWORK="lan"]',
        "KEYS": "$USER[SSH_PUBLIC_KEY]",
        "MONEY": "\\$5 or $nothing, $",
        "START_SCRIPT": 'echo "$PATH $BLOG $NAME"',
    },
    "USER_INPUTS": {"BLOG": "M|text|Name of the blog", "PW": "M|password|Password||", "SIZE": "O|range|Size|1..9|3"},
    "MY_OWN": "a b",
}
PLAIN: dict[str, Any] = {"NAME": "plain", "MEMORY": "128", "DISK": [{"IMAGE": "base"}]}
ANSWERS = {"BLOG": "cats", "PW": "hunter2-and-more"}


def body(sim: Sim, ref: str) -> dict[str, Any]:
    return sim.engine.templates.show(ref).body


def test_it_is_kept_as_it_was_given(sim: Sim) -> None:
    made = sim.engine.templates.create(WEB, CALL)
    text = sim.engine.templates.text("web")
    assert (text.id, text.name) == (made.id, "web")
    assert text.body == {**{key: value for key, value in WEB.items() if key != "NAME"}, "DISK": {"IMAGE": "base"}}
    shown = body(sim, "web")
    assert (shown["owner"], shown["mode"], shown["vms"]) == ("tester", "600", [])
    assert [(item["name"], item["mandatory"], item["default"]) for item in shown["inputs"]] == [
        ("BLOG", True, ""), ("PW", True, ""), ("SIZE", False, "3"),
    ]  # fmt: skip
    rows = sim.engine.templates.list(Query(columns=("name", "owner", "mode", "vms"))).rows
    assert rows == [["web", "tester", 0o600, 0]]


@pytest.mark.parametrize(
    "template",
    [
        {"MEMORY": "128"},
        {"NAME": "7", "MEMORY": "128"},
        {"NAME": "x", "NIC": "lan"},
        {"NAME": "x", "A": {"B": {"C": "D"}}},
        {"NAME": "x", "USER_INPUTS": {"A": "what?"}},
        {"NAME": "x", "USER_INPUTS": "what?"},
    ],
)
def test_what_no_vm_can_be_made_of_is_refused(sim: Sim, template: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        sim.engine.templates.create(template, CALL)
    assert caught.value.hint
    assert sim.rows(TemplateRow) == []


def test_names_are_its_own(sim: Sim) -> None:
    sim.engine.templates.create(PLAIN, CALL)
    with pytest.raises(ConflictError):
        sim.engine.templates.create(PLAIN, CALL)
    sim.engine.templates.clone("plain", "copy", Call(actor="bob"))
    assert sim.engine.templates.text("copy").body == sim.engine.templates.text("plain").body
    assert body(sim, "copy")["owner"] == "bob"
    sim.engine.templates.rename("copy", "other", CALL)
    with pytest.raises(ConflictError):
        sim.engine.templates.rename("other", "plain", CALL)
    sim.engine.templates.remove("other", CALL)
    with pytest.raises(NotFoundError):
        sim.engine.templates.show("other")


def test_updates_replace_or_append(sim: Sim) -> None:
    sim.engine.templates.create({**PLAIN, "A": "1", "B": {"C": "2"}, "D": "3"}, CALL)
    sim.engine.templates.update("plain", {"b": {"e": "4"}, "D": "", "F": ["5", "6"]}, CALL, append=True)
    assert sim.engine.templates.text("plain").body == {
        "MEMORY": "128", "DISK": {"IMAGE": "base"}, "A": "1", "B": {"E": "4"}, "F": ["5", "6"],
    }  # fmt: skip
    sim.engine.templates.update("plain", {"NAME": "plain", "MEMORY": "64"}, CALL)
    assert sim.engine.templates.text("plain").body == {"MEMORY": "64"}
    with pytest.raises(StaleError):
        sim.engine.templates.update("plain", {"MEMORY": "32"}, CALL, before={"MEMORY": "128"})
    sim.engine.templates.update("plain", {"MEMORY": "64"}, CALL, before={"MEMORY": "64"})
    for wrong in ({"NAME": "other"}, {"NIC": "lan"}):
        with pytest.raises(UsageError):
            sim.engine.templates.update("plain", wrong, CALL)


def test_a_vm_of_it_has_the_answers(sim: Sim) -> None:
    made = sim.engine.templates.create(WEB, CALL)
    sim.engine.templates.instantiate("web", CALL, "shop", {"cpu": "0.5", "context": {"EXTRA": "1"}}, ANSWERS)
    sim.settle()
    vm = sim.vm("shop")
    assert (vm.template_id, vm.cpu, vm.memory, vm.state) == (made.id, 50, 128, 3)
    template = vm.body["template"]
    assert template["CONTEXT"] == {
        "NETWORK": "YES",
        "BLOG_NAME": "cats on shop",
        "DB_ADMIN": "hunter2-and-more",
        "ADDRESS": vm.ips,
        "KEYS": "",
        "MONEY": "$5 or $nothing, $",
        "START_SCRIPT": 'echo "$PATH cats $NAME"',
        "EXTRA": "1",
    }
    assert [template[name] for name in ("BLOG", "SIZE", "TEMPLATE_ID", "MY_OWN")] == ["cats", "3", str(made.id), "a b"]
    shown = sim.engine.vms.show("shop").body
    assert shown["template_id"] == made.id
    assert shown["template"]["PW"] == shown["template"]["CONTEXT"]["DB_ADMIN"] == HIDDEN
    assert "hunter2" not in str(shown)
    assert body(sim, "web")["vms"] == [f"shop ({vm.id})"]
    assert sim.engine.vms.list(Query(columns=("name",), filters=(("template", "=", "web"),))).rows == [["shop"]]
    sim.engine.templates.remove("web", CALL)
    assert sim.engine.vms.list(Query(columns=("template",))).rows == [[None]]


def test_a_vm_without_a_name_is_called_like_it(sim: Sim) -> None:
    sim.engine.templates.create(PLAIN, CALL)
    first, second = (sim.engine.templates.instantiate("plain", CALL, hold=True) for _ in range(2))
    assert [made.name for made in (first, second)] == [f"plain-{first.id}", f"plain-{second.id}"]
    assert sim.vm(first.name).state == 2
    dry = sim.engine.templates.instantiate("plain", DRY, "x")
    assert dry.would == ("create VM x: 1 CPU, 128 MiB, address none",)


def test_all_that_is_missing_is_named_at_once(sim: Sim) -> None:
    sim.engine.templates.create(WEB, CALL)
    with pytest.raises(UsageError) as caught:
        sim.engine.templates.instantiate("web", CALL)
    assert caught.value.message.endswith("BLOG (Name of the blog), PW (Password)")
    assert caught.value.hint == "nebula template instantiate web --input BLOG=… --input PW=…"
    for wrong in ({**ANSWERS, "SIZE": "10"}, {**ANSWERS, "COLOUR": "red"}):
        with pytest.raises(UsageError) as caught:
            sim.engine.templates.instantiate("web", CALL, "x", {}, wrong)
        assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    sim.engine.templates.instantiate("web", CALL, "y", ANSWERS, {}, hold=True)
    assert sim.vm("y").body["template"]["BLOG"] == "cats", "OpenNebula's clients give answers as attributes"


def test_the_same_request_makes_one_vm(sim: Sim) -> None:
    sim.engine.templates.create(PLAIN, CALL)
    call = Call(actor="tester", key="once")
    first, second = (sim.engine.templates.instantiate("plain", call, hold=True) for _ in range(2))
    assert first == second
    assert len(body(sim, "plain")["vms"]) == 1


def test_nothing_stays_of_one_that_cannot_be_made(sim: Sim) -> None:
    sim.engine.templates.create({**PLAIN, "NIC": {"NETWORK": "lan"}, "DISK": [{"IMAGE": "base"}, {"IMAGE": "gone"}]}, CALL)
    with pytest.raises(NotFoundError):
        sim.engine.templates.instantiate("plain", CALL)
    assert sim.engine.vms.list(Query()).rows == []
    assert sim.engine.networks.list(Query(columns=("leases",))).rows == [[0]]


def test_its_explanation_changes_nothing(sim: Sim) -> None:
    sim.engine.templates.create({**WEB, "DISK": [{"IMAGE": "base", "CACHE": "none"}, {"SIZE": "64"}]}, CALL)
    events = sim.engine.events.last()
    found = sim.engine.templates.explain("web", CALL, {}, ANSWERS).body
    told = {item["attribute"]: (item["value"], item["status"]) for item in found["attributes"]}
    assert told["DISK 0/IMAGE"] == ("base", "done")
    assert told["DISK 0/CACHE"] == ("none", "done")
    assert told["DISK 1/SIZE"] == ("64", "done")
    assert told["MY_OWN"] == ("a b", "unknown")
    assert told["CONTEXT/DB_ADMIN"] == ("$PW", "done")
    assert found["vm"]["memory_mib"] == 128
    assert [disk["image"] for disk in found["vm"]["disks"]] == ["base", None]
    assert {host["host"] for host in found["hosts"]} == {"h1", "h2", "h3"}
    assert all(host["fits"] for host in found["hosts"])
    assert "hunter2" not in str(found)
    assert sim.engine.events.last() == events
    assert sim.engine.vms.list(Query()).rows == []
    missing = sim.engine.templates.explain("web", CALL).body
    assert missing["problem"]["code"] == "usage"
    assert "vm" not in missing
    file = sim.engine.templates.explain("", CALL, {"NAME": "f", "MEMORY": "999999", "DISK": [{"IMAGE": "base"}]})
    assert (file.id, file.name, file.body["vm"]["memory_mib"]) == (0, "f", 999999)
    assert not any(host["fits"] for host in file.body["hosts"])
    assert file.body["mend"]


def test_it_goes_with_its_images(sim: Sim) -> None:
    sim.add_image("other")
    sim.engine.templates.create({**PLAIN, "DISK": [{"IMAGE": "base"}, {"IMAGE": "other"}, {"SIZE": "64"}]}, CALL)
    sim.engine.templates.instantiate("plain", CALL, "user", hold=True)
    with pytest.raises(ConflictError):
        sim.engine.templates.remove("plain", CALL, images=True)
    assert len(sim.rows(TemplateRow)) == 1
    sim.engine.vms.terminate("user", CALL)
    sim.settle()
    removed = sim.engine.templates.remove("plain", CALL, images=True)
    assert [job.kind for job in sim.rows(JobRow, '"id" IN (?,?)', removed.jobs)] == ["image.remove", "image.remove"]
    sim.settle()
    assert sim.rows(TemplateRow) == []
    assert sim.rows(ImageRow) == []


def test_it_is_copied_with_its_images(sim: Sim) -> None:
    sim.engine.templates.create({**PLAIN, "DISK": [{"IMAGE": "base", "CACHE": "none"}, {"SIZE": "64"}]}, CALL)
    made = sim.engine.templates.clone("plain", "copy", CALL, images=True)
    assert made.jobs == (made.job_id,) != (0,)
    sim.settle()
    copy = sim.image("copy-disk-0")
    assert (copy.state, copy.size, copy.persistent, copy.owner) == (1, sim.image("base").size, 0, "tester")
    disks = sim.engine.templates.text("copy").body["DISK"]
    assert disks == [{"IMAGE_ID": str(copy.id), "CACHE": "none"}, {"SIZE": "64"}]
    assert sim.engine.templates.text("plain").body["DISK"][0]["IMAGE"] == "base"
    vm = sim.engine.templates.instantiate("plain", CALL, "mine", persistent=True)
    sim.settle()
    assert sim.vm("mine").state == 3
    assert sim.image("mine-disk-0").persistent == 1
    assert sim.vm("mine").template_id == sim.rows(TemplateRow, "\"name\"='mine'")[0].id
    sim.engine.vms.terminate(str(vm.id), CALL, hard=True)
    sim.settle()
    sim.engine.templates.remove("mine", CALL, images=True)
    sim.settle()
    assert {row.name for row in sim.rows(ImageRow)} == {"base", "copy-disk-0"}


def test_a_mode_goes_to_its_images_too_or_to_none(sim: Sim) -> None:
    alice, call = seen_by(sim.engine, ALICE), Call(actor="alice")
    sim.engine.images.chmod("base", "644", Call())
    alice.images.clone("base", "mine", call)
    sim.settle()
    alice.templates.create({**PLAIN, "NAME": "own", "DISK": [{"IMAGE": "mine"}, {"IMAGE": "mine"}, {"SIZE": "64"}]}, call)

    def modes() -> tuple[str, str]:
        return body(sim, "own")["mode"], sim.engine.images.show("mine").body["mode"]

    alice.templates.chmod("own", "640", call)
    assert modes() == ("640", "600")
    would = alice.templates.chmod("own", "644", Call(actor="alice", dry_run=True), images=True).would
    assert would == ("mode of template own (1): 640 to 644", "mode of image mine (2): 600 to 644")
    assert modes() == ("640", "600")
    alice.templates.chmod("own", "644", call, images=True)
    assert modes() == ("644", "644")
    told = [(event.object_kind, event.object_id) for event in sim.engine.events.list() if event.body.get("changed") == ["mode"]]
    assert told[-2:] == [("template", 1), ("image", 2)]

    sim.engine.templates.chmod("own", "744", Call())
    with pytest.raises(DeniedError, match=r"alice may not administrate image mine"):
        alice.templates.chmod("own", "704", call, images=True)
    sim.engine.images.chown("mine", "root", Call())
    with pytest.raises(DeniedError, match=r"alice may not manage image mine"):
        alice.templates.chmod("own", "764", call, images=True)
    assert modes() == ("744", "644")
    sim.engine.templates.update("own", {"DISK": [{"IMAGE": "nowhere"}]}, Call())
    with pytest.raises(NotFoundError):
        sim.engine.templates.chmod("own", "600", Call(), images=True)
    assert modes() == ("744", "644")


def test_what_only_administrators_may_set_stays_as_theirs(sim: Sim) -> None:
    alice = seen_by(sim.engine, ALICE)
    sim.engine.images.chmod("base", "644", Call())
    restricted = {**PLAIN, "NIC": {"NETWORK": "lan", "MAC": "02:00:00:00:00:01"}, "RAW": {"TYPE": "kvm", "DATA": "<a/>"}}
    call = Call(actor="alice")
    with pytest.raises(DeniedError, match=r"NIC/MAC, RAW/DATA"):
        alice.templates.create(restricted, call)
    limited = {"NETWORK": "lan", "INBOUND_AVG_BW": "100"}
    sim.engine.templates.create({**PLAIN, "NAME": "roots", "NIC": limited}, Call(actor="root"))
    with pytest.raises(DeniedError, match="alice may not use template roots"):
        alice.templates.instantiate("roots", call)
    sim.engine.templates.chmod("roots", "604", Call())
    made = alice.templates.instantiate("roots", call, hold=True)
    assert sim.vm(made.name).owner == "alice"
    for extra in ({"NIC": {"NETWORK": "lan", "INBOUND_AVG_BW": "200"}}, {"USER_PRIORITY": "9"}, {"PCI": {"VENDOR": "10de"}}):
        with pytest.raises(DeniedError):
            alice.templates.instantiate("roots", call, "x", extra)
    alice.templates.instantiate("roots", call, "y", {"NIC": {"NETWORK": "lan"}}, hold=True)
    sim.engine.templates.create({**PLAIN, "NAME": "bobs", "USER_PRIORITY": "9"}, Call(actor="bob"))
    sim.engine.templates.chmod("bobs", "666", Call())
    with pytest.raises(DeniedError, match="USER_PRIORITY"):
        alice.templates.instantiate("bobs", call, "z")
    alice.templates.update("bobs", {"MORE": "1"}, call, append=True)
    with pytest.raises(DeniedError):
        alice.templates.update("bobs", {"USER_PRIORITY": "99"}, call, append=True)


def test_what_is_asked_is_no_secret(sim: Sim) -> None:
    asking = {
        **PLAIN,
        "CONTEXT": {"PASSWORD": "$PASSWORD", "ROOT_PASSWORD": "$other", "TOKEN": "abc"},
        "USER_INPUTS": {"PASSWORD": "M|password|Password"},
    }
    sim.engine.templates.create(asking, CALL)
    shown = body(sim, "plain")["template"]
    assert shown["USER_INPUTS"] == {"PASSWORD": "M|password|Password"}
    assert shown["CONTEXT"] == {"PASSWORD": "$PASSWORD", "ROOT_PASSWORD": HIDDEN, "TOKEN": HIDDEN}
    sim.engine.templates.instantiate("plain", CALL, "x", {}, {"PASSWORD": "abcdefgh"}, hold=True)
    made = sim.engine.vms.show("x").body["template"]
    assert (made["PASSWORD"], made["CONTEXT"]["PASSWORD"]) == (HIDDEN, HIDDEN)
    assert sim.vm("x").body["template"]["CONTEXT"]["PASSWORD"] == "abcdefgh"


def test_secrets_are_for_those_who_manage_it(sim: Sim) -> None:
    secret = {**PLAIN, "CONTEXT": {"PASSWORD": "open-sesame"}, "USER_INPUTS": {"PW": "O|password|Password||swordfish"}}
    sim.engine.templates.create(secret, Call(actor="alice"))
    sim.engine.templates.chmod("plain", "604", Call())
    sim.engine.images.chmod("base", "644", Call())
    alice, bob = seen_by(sim.engine, ALICE), seen_by(sim.engine, BOB)
    assert alice.templates.text("plain").body["CONTEXT"] == {"PASSWORD": "open-sesame"}
    for person in (alice, bob):
        shown = person.templates.show("plain").body
        assert shown["template"]["CONTEXT"] == {"PASSWORD": HIDDEN}
        assert "swordfish" not in str(shown)
    with pytest.raises(DeniedError):
        bob.templates.text("plain")
    with pytest.raises(DeniedError, match="may not clone"):
        bob.templates.clone("plain", "mine", Call(actor="bob"))
    explained = bob.templates.explain("plain", Call(actor="bob")).body
    assert "open-sesame" not in str(explained)
    assert "swordfish" not in str(explained)
    made = bob.templates.instantiate("plain", Call(actor="bob"), hold=True)
    assert "sesame" not in str(bob.vms.show(str(made.id)))
    assert "swordfish" not in str(bob.vms.show(str(made.id)))
