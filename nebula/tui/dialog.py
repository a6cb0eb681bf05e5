"""The dialog before a command: what it is about, what it wants to know, the line that it is, and what would come of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, Label, Select, Static

from nebula.cli.command import Argument, Option
from nebula.errors import NebulaError, UsageError
from nebula.tui import lines
from nebula.tui.defaults import Names, defaults
from nebula.tui.lines import Filled, Helper, Target
from nebula.tui.modal import Modal
from nebula.tui.offers import Offer
from nebula.tui.ticks import Ticks

_DEBOUNCE = 0.35
_SHOWN = 12
"""Names of objects that are shown of many."""


class CommandDialog(Modal[Filled]):
    """Answers what was filled in, the objects included; None when it was cancelled.

    Whatever destroys something wants to hear the name of what it destroys, or, for several, how many they are. Where there is
    a risk the focus is on Cancel.
    """

    DEFAULT_CSS = """
    CommandDialog .field { height: 1; margin: 0; }
    CommandDialog .field Label { width: 20; color: $text-muted; }
    CommandDialog .ticked { height: auto; }
    CommandDialog .ticked Label { color: $text-muted; }
    CommandDialog Ticks { max-height: 10; }
    CommandDialog .field Label.-wanted { color: $text; text-style: bold; }
    CommandDialog .field Input, CommandDialog .field Select { width: 1fr; }
    CommandDialog .fields { height: auto; max-height: 14; margin: 1 0 0 0; scrollbar-size-vertical: 1; }
    CommandDialog Checkbox { border: none; height: 1; padding: 0; width: 1fr; background: transparent; }
    CommandDialog Checkbox:focus { border: none; background: $primary-muted; }
    CommandDialog Select SelectCurrent { border: none; height: 1; padding: 0 1; background: $boost; }
    CommandDialog Select:focus SelectCurrent { border: none; background: $primary-muted; }
    CommandDialog Select { height: 1; }
    CommandDialog .line { margin: 1 0 0 0; color: $text-accent; }
    CommandDialog .verdict { height: auto; max-height: 6; color: $text-error; }
    CommandDialog .verdict.-good { color: $text-success; }
    CommandDialog .verdict.-good.-risk { color: $text-warning; }
    CommandDialog .sure { margin: 1 0 0 0; height: 1; }
    CommandDialog .sure Label { width: auto; color: $text-error; text-style: bold; }
    CommandDialog .sure Input { width: 1fr; margin: 0 0 0 1; }
    CommandDialog .buttons { height: 1; margin: 1 0 0 0; align-horizontal: right; }
    CommandDialog .hint { width: 1fr; color: $text-muted; }
    CommandDialog .line { max-height: 12; overflow-y: auto; }
    CommandDialog Button { min-width: 12; margin: 0 0 0 2; }
    CommandDialog Button:focus { text-style: bold reverse; }
    CommandDialog.-low .modal--box { max-height: 100%; }
    CommandDialog.-low .fields, CommandDialog.-low Ticks { max-height: 8; }
    CommandDialog.-low .fields, CommandDialog.-low .line, CommandDialog.-low .sure, CommandDialog.-low .buttons { margin: 0; }
    CommandDialog.-low .line, CommandDialog.-low .verdict { max-height: 4; }
    CommandDialog.-document .line { max-height: 50vh; }
    CommandDialog.-document.-low .line { max-height: 14; }
    CommandDialog.-document.-low .fields { max-height: 2; }
    """
    VERTICAL_BREAKPOINTS = [(0, "-low"), (34, "-high")]  # noqa: RUF012 - Textual's own way

    def __init__(self, offer: Offer, targets: Sequence[Target], helper: Helper, *, left_out: int = 0) -> None:
        super().__init__()
        self._offer, self._targets, self._helper = offer, targets, helper
        self._as_yaml = False
        self._left_out = left_out
        self._timer: Timer | None = None
        self._begun, self._sent = bool(targets), False
        """Whether a form has its defaults; whether yes was said before that."""

    # --- what is on it

    def compose(self) -> ComposeResult:
        """See Screen."""
        command = self._offer.command
        with Vertical(classes="modal--box"):
            yield Static(self._heading(), classes="modal--title", markup=False)
            yield Static(command.help, classes="modal--note", markup=False)
            if self._offer.fields:
                with VerticalScroll(classes="fields", can_focus=False):
                    for field in self._offer.fields:
                        yield self._field(field)
            yield Static(classes="line", markup=False)
            yield Static(classes="verdict", markup=False)
            if self._sure():
                with Horizontal(classes="sure"):
                    yield Label(f"Type {self._sure()} to go on:", markup=False)
                    yield Input(id="sure")
            with Horizontal(classes="buttons"):
                yield Static(self._hint(), classes="hint", markup=False)
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(command.name, id="go", variant="error" if command.risk else "primary", compact=True)

    def _hint(self) -> str:
        known = ["F5 copies"] if self._helper.parts is None else ["Space ticks", "F5 copies"]
        if self._helper.document is not None:
            known.insert(0, "F3 as YAML")
        if any(_complete(field) and not self._ticked(field) for field in self._offer.fields):
            known.insert(0, "F4 names")
        return "  ".join(known)

    def _heading(self) -> str:
        command, targets = self._offer.command, self._targets
        if not targets:
            return command.path
        names = ", ".join(target.name for target in targets[:_SHOWN])
        more = f" and {len(targets) - _SHOWN} more" if len(targets) > _SHOWN else ""
        head = f"{command.name} {names}" if len(targets) == 1 else f"{command.name} {len(targets)} of them: {names}{more}"
        return (
            f"{head}\n{self._left_out} of those chosen are left out: it is not allowed for them now" if self._left_out else head
        )

    def _field(self, field: Argument | Option) -> Widget:
        name = field.name.lstrip("-")
        wanted = isinstance(field, Argument) and not field.optional
        if isinstance(field, Option) and field.kind == "flag":
            return Horizontal(Label(name), Flag(field.help, id=f"field-{_id(field)}", compact=True), classes="field")
        if self._ticked(field):
            listed = Ticks(id=f"field-{_id(field)}", compact=True)
            return Vertical(Label(id="parts", markup=False), listed, classes="ticked")
        made: Widget
        if isinstance(field, Option) and field.choices:
            options = [(choice, choice) for choice in field.choices]
            made = Select(options, prompt=field.help, id=f"field-{_id(field)}", compact=True)
        else:
            made = Input(
                placeholder=_placeholder(field),
                id=f"field-{_id(field)}",
                suggester=_Suggest(_complete(field), self._helper.names),
            )
        return Horizontal(Label(name, classes="-wanted" if wanted else ""), made, classes="field")

    def on_mount(self) -> None:
        """The focus is where nothing can happen by reflex; a form begins with its first field."""
        fields = list(self.query(".field Input, .field Select, .field Checkbox"))
        if self._offer.command.risk:
            self.query_one("#cancel").focus()
        else:
            (fields[0] if fields else self.query_one("#go")).focus()
        self._look()
        self._fill_parts()
        if not self._targets:
            self._begin()

    def _ticked(self, field: Argument | Option) -> bool:
        """Whether its values are ticked in a list instead of typed."""
        return self._helper.parts is not None and field.complete == "move"

    @work
    async def _fill_parts(self) -> None:
        """Everything is ticked at first."""
        if self._helper.parts is None:
            return
        listed = self.query_one(Ticks)
        (_, header), *found = await self._helper.parts(self.size.width * 8 // 10) or [("", "nothing")]
        self.query_one("#parts", Label).update(f"  {header}")
        listed.fill((text, value, True) for value, text in found)
        self._look()

    @work
    async def _begin(self) -> None:
        """Fill in what works here; what was typed meanwhile stays. Nothing is said of the form before."""
        for key, value in (await defaults(self._offer.command.path, self._helper.names, Path.home())).items():
            for widget in self.query(f"#field-option-{key}"):
                if isinstance(widget, Checkbox):
                    widget.value = widget.value or value == "yes"
                elif isinstance(widget, Input) and not widget.value:
                    widget.value = value
                    if widget.has_focus:
                        widget.select_all()  # as where Tab goes to: what is typed takes its place
                elif isinstance(widget, Select) and widget.is_blank():
                    widget.value = value
        self._begun = True
        if self._sent:
            self._go()
        else:
            self._look()

    # --- what was filled in

    def filled(self) -> Filled:
        """The values by name; UsageError for quotation marks that are not closed."""
        found: Filled = {}
        for field in self._offer.fields:
            widget = self.query_one(f"#field-{_id(field)}")
            if isinstance(widget, Checkbox):
                found[_key(field)] = widget.value
            elif isinstance(widget, Ticks):
                found[_key(field)] = _of_ticked(widget)
            elif isinstance(widget, Select):
                found[_key(field)] = widget.value if isinstance(widget.value, str) else ""
            elif isinstance(widget, Input):
                found[_key(field)] = lines.split(field, widget.value)
        target = self._offer.target
        if target is not None:
            refs = [str(item.key) for item in self._targets]
            found[target.name] = refs if target.many else "".join(refs[:1])
        return found

    @on(Input.Changed)
    @on(Checkbox.Changed)
    @on(Select.Changed)
    @on(Ticks.SelectedChanged)
    def _changed(self) -> None:
        self._look()

    def _look(self) -> None:
        try:
            filled = self.filled()
            if self._as_yaml:
                self._later()
                return
            shown = lines.named(self._offer.target, self._targets, filled)
            self.query_one(".line", Static).update(f"$ {lines.text(self._offer.command, shown)}")
        except NebulaError as error:
            self._stop_attempts()
            self.query_one(".line", Static).update("")
            self._verdict(good=False, text=error.message)
            return
        self._later()

    def _later(self) -> None:
        self._stop_attempts()
        if self._begun:
            self._timer = self.set_timer(_DEBOUNCE, self._attempt)

    def _stop_attempts(self) -> None:
        """What would come of the words that stood here before is no answer any more."""
        if self._timer is not None:
            self._timer.stop()
        self.workers.cancel_group(self, "attempt")

    @work(group="attempt", exclusive=True)
    async def _attempt(self) -> None:
        try:
            filled = self.filled()
        except NebulaError as error:
            self._verdict(good=False, text=error.message)
            return
        good, text = await self._helper.attempt(filled)
        self._verdict(good=good, text=text)
        if self._as_yaml:
            await self._write_document(filled)

    def _verdict(self, *, good: bool, text: str) -> None:
        for verdict in self.query(".verdict").results(Static):
            verdict.update(text)
            verdict.set_class(good, "-good")
            verdict.set_class(bool(self._offer.command.risk), "-risk")

    # --- yes or no

    def _sure(self) -> str:
        """What must be typed; "" for nothing."""
        if self._offer.command.risk != "destroys" or not self._targets:
            return ""
        return self._targets[0].name if len(self._targets) == 1 else str(len(self._targets))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "go":
            self._go()
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter goes on to the next field; behind the last, and behind the name, it is yes where there is no risk."""
        if event.input.id == "sure" or not self._offer.command.risk:
            self._go()
        else:
            self.focus_next()

    def _go(self) -> None:
        if self._sure() and self.query_one("#sure", Input).value != self._sure():
            self._verdict(good=False, text=f"type {self._sure()} into the field below, or press Esc")
            self.query_one("#sure").focus()
            return
        if not self._begun:
            self._sent = True
            return
        try:
            filled = self.filled()
            for argument in self._offer.command.arguments:
                if not argument.optional and not filled.get(argument.name):
                    raise UsageError(f"{argument.name} is missing: {argument.help}")
        except NebulaError as error:
            self._verdict(good=False, text=error.message)
            return
        self.dismiss(filled)

    async def key_f3(self) -> None:
        """As a document, or as a line again."""
        if self._helper.document is None:
            return
        self._as_yaml = not self._as_yaml
        self.set_class(self._as_yaml, "-document")  # which has more lines than a command: fields give way
        if self._as_yaml:
            await self._write_document(self.filled())
        else:
            self._look()

    async def _write_document(self, filled: Filled) -> None:
        document = self._helper.document
        if document is None:
            return
        try:
            text = await document(filled)
        except NebulaError as error:
            text = f"# {error.message}"
        for shown in self.query(".line").results(Static):
            shown.update(text)

    async def key_f4(self) -> None:
        """Choose from the names that there are. What is typed meanwhile waits for the list."""
        from nebula.tui.chooser import Choice, Chooser

        box = self.focused
        field = next((field for field in self._offer.fields if box is not None and box.id == f"field-{_id(field)}"), None)
        if not isinstance(box, Input) or field is None or not _complete(field):
            return

        def chosen(name: str | None) -> None:
            if name:
                head, space, _ = box.value.rpartition(" ")
                box.value = f"{head}{space}{name}"
                box.cursor_position = len(box.value)

        names = await self._helper.names(_complete(field))
        self.app.push_screen(Chooser(_complete(field), [Choice(name, name) for name in names]), chosen)

    def key_f5(self) -> None:
        """Copy the line, or the document."""
        text = str(self.query_one(".line", Static).render()).removeprefix("$ ")
        self.app.copy_to_clipboard(text)
        self.notify("copied", markup=False)

    def _wanted(self) -> Input | None:
        """The field for the name of what is destroyed, else the first for words."""
        return next(iter(self.query("#sure" if self._sure() else ".field Input").results(Input)), None)

    def on_key(self, event: events.Key) -> None:
        """Arrows go from button to button and field to field; what is typed on Cancel goes where words are wanted."""
        on_button = isinstance(self.focused, Button)
        if isinstance(self.focused, Ticks):
            return  # its arrows are its own
        if event.key == "down" or (on_button and event.key == "right"):
            self.focus_next()
        elif event.key == "up" or (on_button and event.key == "left"):
            self.focus_previous()
        elif on_button and event.is_printable and event.character and event.key != "space" and (wanted := self._wanted()):
            wanted.select_on_focus = False  # or the next letter would take this one's place
            wanted.focus()
            wanted.insert_text_at_cursor(event.character)
        else:
            return
        event.stop()
        event.prevent_default()


def _of_ticked(listed: Ticks) -> list[str]:
    """What is ticked; nothing where that is all, which needs no words. UsageError where nothing is."""
    chosen = listed.selected
    if listed.option_count and not chosen:
        raise UsageError("nothing is ticked")
    return [] if len(chosen) == listed.option_count else sorted(chosen, key=int)


class Flag(Checkbox):
    """A tick where it is on, nothing where it is not: also without colours."""

    BUTTON_INNER = " "

    def watch_value(self) -> None:
        """See Checkbox."""
        self.BUTTON_INNER = "✓" if self.value else " "
        super().watch_value()


class _Suggest(Suggester):
    """The first live name that begins as what was typed."""

    def __init__(self, complete: str, names: Names) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete, self._live = complete, names

    async def get_suggestion(self, value: str) -> str | None:
        """See Suggester."""
        head, space, last = value.rpartition(" ")
        words = await self._live(self._complete)
        found = next((name for name in words if last and name.startswith(last)), None)
        return f"{head}{space}{found}" if found else None


def _complete(field: Argument | Option) -> str:
    """The noun that is completed, "" for what is no name."""
    return "" if field.complete in {"file", "directory"} else field.complete


def _key(field: Argument | Option) -> str:
    return field.key if isinstance(field, Option) else field.name


def _id(field: Argument | Option) -> str:
    return f"{'option' if isinstance(field, Option) else 'argument'}-{_key(field)}"


def _placeholder(field: Argument | Option) -> str:
    metavar = f"{field.metavar}: " if isinstance(field, Option) and field.metavar else ""
    return f"{metavar}{field.help}"
