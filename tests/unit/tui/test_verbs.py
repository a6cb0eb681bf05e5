"""Verbs on their screens: dialogs, safety, bulk, results."""

from __future__ import annotations

from functools import partial

import pytest
from textual import events
from textual.widgets import Button, Checkbox, Input, Static

from nebula.cli.command import Option
from nebula.tui.chooser import Chooser
from nebula.tui.dialog import CommandDialog
from nebula.tui.lines import Target
from nebula.tui.memory import Choices, Memory
from nebula.tui.offers import Offer, anywhere, offers
from nebula.tui.results import Results
from nebula.tui.views import VIEWS
from tests.support.sim import CALL, Sim
from tests.support.tui import Driven, drive


def _dialog(tui: Driven) -> CommandDialog:
    assert isinstance(tui.app.screen, CommandDialog), tui.screen()
    return tui.app.screen


def test_enter_by_reflex_destroys_nothing_and_the_name_is_wanted(sim: Sim, memory: Memory) -> None:
    sim.engine.vms.create({"NAME": "doomed", "MEMORY": 128}, CALL, hold=True)

    async def play(tui: Driven) -> None:
        await tui.until(lambda: "doomed" in tui.names())
        tui.page.grid.put_cursor(sim.vm("doomed").id)
        await tui.press("D", "enter")
        assert not isinstance(tui.app.screen, CommandDialog)
        assert sim.state("doomed") == "HOLD"
        await tui.press("D")
        assert isinstance(tui.app.focused, Button)
        assert tui.app.focused.id == "cancel"
        await tui.press("right", "enter")
        assert sim.state("doomed") == "HOLD", "without its name"
        await tui.type("doome")
        await tui.press("enter")
        assert isinstance(tui.app.screen, CommandDialog)
        await tui.press("d", "enter")
        await tui.until(lambda: sim.state("doomed") == "DONE", "its end")
        await tui.until(
            lambda: tui.dashboard.drawer.last is not None and tui.dashboard.drawer.last.state == "done", "the result"
        )
        assert tui.dashboard.drawer.last is not None
        assert tui.dashboard.drawer.last.line == "nebula vm terminate doomed"

    drive(sim, memory, play)


def test_many_at_once_have_one_dialog_and_a_result_each(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("space", "space", "o")
        dialog = _dialog(tui)
        await tui.until(lambda: "POWEROFF" in str(dialog.query_one(".verdict", Static).render()), "what it would do")
        await tui.press("right", "enter")
        await tui.until(lambda: isinstance(tui.app.screen, Results), "results")
        await tui.until(lambda: sim.state("web-2") == "POWEROFF", "the second")
        entry = tui.dashboard.drawer.last
        assert entry is not None
        await tui.until(lambda: entry.summary == "2 done", "two results")
        assert entry.line == "nebula vm poweroff web-1 web-2"
        await tui.press("escape")
        assert "poweroff" not in tui.offered(), "they are off"
        await tui.until(lambda: "resume" in tui.offered())
        await tui.press("r", "enter")
        await tui.until(lambda: sim.state("web-1") == sim.state("web-2") == "RUNNING", "both again")

    drive(sim, memory, play)


def test_what_was_done_is_taken_back(sim: Sim, memory: Memory) -> None:
    sim.engine.vms.create({"NAME": "taken", "MEMORY": 128}, CALL, hold=True)

    async def play(tui: Driven) -> None:
        await tui.until(lambda: "taken" in tui.names())
        await tui.press("ctrl+z")
        assert tui.app.screen is tui.dashboard, "nothing was done yet"
        tui.page.grid.put_cursor(sim.vm("taken").id)
        await tui.press("u")
        await tui.until(lambda: sim.state("taken") == "RUNNING" and "poweroff" in tui.offered(), "that it is seen to run")
        await tui.press("o", "right", "enter")
        await tui.until(lambda: sim.state("taken") == "POWEROFF", "that it is off")
        await tui.until(lambda: tui.dashboard.drawer.last_to_undo is tui.dashboard.drawer.last, "that it is done")
        await tui.press("3", "ctrl+z")
        dialog = _dialog(tui)
        await tui.until(lambda: "$ nebula vm resume taken" in str(dialog.query_one(".line", Static).render()), "its line")
        await tui.press("enter")
        await tui.until(lambda: sim.state("taken") == "RUNNING", "that it runs again")
        assert tui.dashboard.drawer.entries[-2].undo == "", "it is taken back once"

    drive(sim, memory, play)
    sim.engine.vms.terminate(str(sim.vm("taken").id), CALL)


def test_what_is_refused_says_why_and_nothing_happened(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("N")
        dialog = _dialog(tui)
        await tui.press("enter")
        assert "name is missing" in str(dialog.query_one(".verdict", Static).render())
        await tui.type("a b")
        await tui.until(lambda: "a b" in str(dialog.query_one(".verdict", Static).render()), "a verdict as one types")
        dialog.query_one(Input).value = "web-one"
        await tui.until(lambda: "web-one" in str(dialog.query_one(".line", Static).render()))
        await tui.press("enter")
        await tui.until(lambda: "web-one" in tui.names(), "the new name")
        sim.engine.vms.rename("web-one", "web-1", CALL)

    drive(sim, memory, play)


def test_what_changes_nothing_dangerous_is_done_at_once(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.go("host")
        tui.page.grid.put_cursor(sim.host("h3").id)
        await tui.press("o")
        await tui.until(lambda: isinstance(tui.app.screen, CommandDialog))
        await tui.press("right", "enter")
        await tui.until(lambda: sim.host("h3").state != 2, "disabled")
        await tui.press("u")
        await tui.until(lambda: sim.host("h3").state == 2, "enabled without a dialog")
        assert tui.dashboard.drawer.last is not None
        assert tui.dashboard.drawer.last.line == "nebula host enable h3"

    drive(sim, memory, play)


def test_readonly_offers_nothing_that_changes(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("D", "o", "N", "n")
        assert not isinstance(tui.app.screen, CommandDialog)
        assert "read-only" in tui.screen()
        await tui.press("ctrl+p")
        assert isinstance(tui.app.screen, Chooser)
        assert not {"vm.terminate", "vm.create", "host.add", "at host host.evacuate"} & set(tui.app.screen.shown())

    drive(sim, memory, play, readonly=True)


def test_palette_help_and_actions_say_the_same(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.pilot.pause()
        seen = {}
        for key in ("ctrl+p", "question_mark", "a"):
            await tui.press(key)
            assert isinstance(tui.app.screen, Chooser)
            seen[key] = {name for name in tui.app.screen.shown() if name.startswith("vm.") and name != "vm.create"}
            await tui.press("escape")
        assert {name for name in seen["ctrl+p"] if name in seen["a"]} == seen["a"]
        assert seen["a"] <= seen["question_mark"] <= seen["ctrl+p"]
        assert "vm.resume" not in seen["a"]
        await tui.press("ctrl+p")
        await tui.type("suspend")
        assert isinstance(tui.app.screen, Chooser)
        assert tui.app.screen.shown()[0] == "vm.suspend"
        await tui.press("enter")
        assert _dialog(tui)._offer.id == "vm.suspend"
        await tui.press("escape")

    drive(sim, memory, play)


def _line_is(tui: Driven, start: str) -> bool:
    return any(str(line.render()).startswith(start) for line in tui.app.screen.query(".line").results(Static))


def _shape(offer: Offer) -> tuple[object, ...]:
    """Dialogs of the same shape have the same parts."""
    options = [field for field in offer.fields if isinstance(field, Option)]
    parts = any(option.kind == "flag" for option in options), any(option.choices for option in options)
    return offer.command.risk, bool(offer.target), len(options) < len(offer.fields), *parts


def test_a_dialog_of_every_shape_shows_its_line(sim: Sim, memory: Memory) -> None:
    every = [offer for view in VIEWS if view.noun for offer in offers(view.noun)]
    shapes = {_shape(offer): offer for offer in [*every, *anywhere()]}

    async def play(tui: Driven) -> None:
        for offer in shapes.values():
            targets = [Target(1, "thing")] if offer.target else []
            await tui.app.push_screen(CommandDialog(offer, targets, tui.dashboard.acting.helper(offer)))
            await tui.until(partial(_line_is, tui, f"$ nebula {offer.command.path}"), offer.id)
            line = str(_dialog(tui).query_one(".line", Static).render())
            assert not targets or "thing" in line
            _dialog(tui).dismiss(None)
            await tui.pilot.pause()

    drive(sim, memory, play)


def test_every_screen_lists_and_offers(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        for view in [view for view in VIEWS if view.noun]:
            page = await tui.go(view.name)
            assert page.view is view
            known = {offer.id for offer in (*offers(view.noun), *anywhere())}
            assert {offer.id for offer in tui.dashboard.offers()} <= known

    drive(sim, memory, play)


def test_jump_back_and_bookmarks(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("colon")
        await tui.type("vm web")
        await tui.press("enter")
        await tui.until(lambda: len(tui.names()) == 4, "the filter")
        await tui.press("3")
        await tui.until(lambda: tui.page.view.name == "host")
        await tui.press("escape")
        await tui.until(lambda: tui.page.view.name == "vm" and len(tui.names()) == 4, "where we were")
        for key, letter in (("b", "b"), ("enter", "\r")):  # as they come out of one read of a busy terminal
            tui.app.post_message(events.Key(key, letter))
        await tui.until(lambda: memory.known.bookmarks == {"vm web": "vm web"}, "the bookmark")

    drive(sim, memory, play)


def test_a_form_begins_with_what_works_and_says_itself_as_yaml(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("n")
        dialog = _dialog(tui)
        await tui.until(lambda: dialog.filled().get("image") == "base", "the defaults")
        assert dialog.filled()["network"] == ["lan"]
        await tui.type("formed")

        def said(kind: str) -> str:
            return str(dialog.query_one(kind, Static).render())

        await tui.until(lambda: "create" in said(".verdict") and "formed" in said(".verdict"), "what it would do")
        await tui.press("f3")
        await tui.until(lambda: "kind: vm\nname: formed" in said(".line"), "the document")
        assert "image: base" in said(".line")
        await tui.press("f3")
        await tui.until(lambda: said(".line").startswith("$ nebula vm create formed --image base"), "the line")
        dialog.query_one("#field-option-hold", Checkbox).value = True
        dialog.query_one("#field-option-memory", Input).value = "128"
        await tui.press("enter")
        await tui.until(lambda: "formed" in tui.names(), "the VM")
        sim.engine.vms.terminate(str(sim.vm("formed").id), CALL)

    drive(sim, memory, play)


def test_a_document_has_the_room_that_it_takes_where_there_is_little(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("n")
        dialog = _dialog(tui)
        await tui.until(lambda: dialog.filled().get("image") == "base", "the defaults")
        await tui.type("formed")
        await tui.press("f3")
        await tui.until(lambda: "kind: vm" in tui.screen() and "graphics:" in tui.screen(), "the document, to its end")
        assert "Cancel" in tui.screen(), "and what answers it"

    drive(sim, memory, play, size=(80, 24))


def _at_once(tui: Driven, *keys: str) -> None:
    """Keys as they come out of one read of a busy terminal."""
    letters = {"space": " ", "enter": "\r", "tab": "\t", "slash": "/", "colon": ":"}
    for key in keys:
        tui.app.post_message(events.Key(key, key if len(key) == 1 else letters.get(key)))


def test_what_is_typed_ahead_goes_where_the_keys_before_it_lead(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        _at_once(tui, "n", *"keyed", "tab", "tab", "tab", "ctrl+u", *"128M", "shift+tab", *"bas")
        await tui.until(lambda: isinstance(tui.app.screen, CommandDialog) and tui.app.screen.is_mounted, "the form")
        dialog = _dialog(tui)
        wanted = {"name": "keyed", "image": "bas", "memory": "128M", "network": ["lan"]}
        await tui.until(lambda: wanted.items() <= dialog.filled().items(), "each where it belongs, beside the defaults")
        _at_once(tui, *"!!", "home", "delete", "end", "backspace", "tab", "backspace", "2", "left", "1", *["tab"] * 3)
        _at_once(tui, "backspace", "f4", *"la", "enter", "x")
        wanted = {"name": "keyed", "image": "as!", "memory": "12", "network": ["lanx"]}
        await tui.until(lambda: wanted.items() <= dialog.filled().items(), "behind the name that was chosen")
        tui.app.post_message(events.Paste("yz"))
        _at_once(tui, "escape", "3")
        await tui.until(lambda: tui.page.view.name == "host", "the next screen")
        assert tui.app.screen is tui.dashboard

    drive(sim, memory, play)


def test_the_palette_leads_to_verbs_of_other_screens(sim: Sim, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("ctrl+p")
        await tui.type("evacuate")
        assert isinstance(tui.app.screen, Chooser)
        assert tui.app.screen.shown()[0] == "at host host.evacuate"
        said = list[str]()
        monkeypatch.setattr(tui.dashboard, "notify", lambda text, **_: said.append(text))
        await tui.press("enter")
        await tui.until(lambda: said, "how it is done there")
        assert tui.page.view.name == "host"
        assert said == ["choose what to evacuate, then v"]

    drive(sim, memory, play)


def test_a_filter_a_jump_and_a_palette_typed_ahead(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        _at_once(tui, "slash", *"web", "enter", "space", "space", "N")
        await tui.until(lambda: isinstance(tui.app.screen, CommandDialog) or tui.page.grid.rows.marked, "marks")
        assert tui.page._typed == "web"
        _at_once(tui, "escape", "escape", "escape", "colon", *"host", "enter", "slash", *"h3", "enter", "ctrl+p", *"jobs")
        await tui.until(lambda: isinstance(tui.app.screen, Chooser) and "go job" in tui.app.screen.shown()[:1], "the palette")
        assert (tui.page.view.name, tui.page._typed) == ("host", "h3")
        _at_once(tui, "enter", "slash", *"monitor")
        await tui.until(lambda: tui.page.view.name == "job" and tui.page._typed == "monitor", "the filter of jobs")

    drive(sim, memory, play)


def test_yes_that_is_said_before_a_form_has_its_defaults_waits_for_them(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        _at_once(tui, "n", *"hasty", "enter")
        await tui.until(lambda: "hasty" in tui.names(), "the VM")
        assert sim.engine.vms.show("hasty").body["template"]["MEMORY"]

    drive(sim, memory, play)
    sim.engine.vms.terminate(str(sim.vm("hasty").id), CALL)


def test_names_are_chosen_from_a_list(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("m")
        dialog = _dialog(tui)
        tui.app.screen.set_focus(dialog.query_one("#field-option-host"))
        await tui.press("f4")
        await tui.until(lambda: isinstance(tui.app.screen, Chooser) and tui.app.screen.shown(), "names")
        await tui.type("h2")
        await tui.press("enter")
        await tui.until(lambda: dialog.filled().get("host") == "h2", "the host")
        await tui.press("escape")

    drive(sim, memory, play)


def test_a_persons_own_keys_do_it_and_unknown_names_are_said(sim: Sim, memory: Memory) -> None:
    memory.choices = Choices(keys={"vm.poweroff": "K", "filter": "ctrl-f", "vm.nonsense": "X"})

    async def play(tui: Driven) -> None:
        assert any("vm.nonsense" in note.message for note in tui.app._notifications)
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("o", "slash")
        assert tui.app.screen is tui.dashboard
        await tui.press("K")
        assert _dialog(tui)._offer.id == "vm.poweroff"
        await tui.press("escape", "ctrl+f")
        await tui.type("db")
        await tui.until(lambda: tui.names() == ["db-1"], "the filter")

    drive(sim, memory, play)


def test_what_is_typed_on_cancel_goes_to_the_first_field(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        tui.page.grid.put_cursor(sim.vm("web-1").id)
        await tui.press("m")
        dialog = _dialog(tui)
        await tui.type("h2")
        assert dialog.filled()["host"] == "h2"
        await tui.press("escape")

    drive(sim, memory, play)


def test_a_form_fits_on_a_small_screen(sim: Sim, memory: Memory) -> None:
    async def play(tui: Driven) -> None:
        await tui.press("n")
        dialog = _dialog(tui)
        await tui.until(lambda: dialog.filled().get("network") == ["lan"], "the defaults")
        await tui.type("small")
        await tui.until(lambda: "small: create VM small" in tui.screen(), "what it would do")
        for text in ("$ nebula vm create small", "Cancel", " create "):
            assert text in tui.screen()
        await tui.press("escape")

    drive(sim, memory, play, size=(80, 24))
