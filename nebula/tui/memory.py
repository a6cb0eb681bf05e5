"""What the dashboard remembers of a person between two runs, and the keys that they chose: plain JSON files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from nebula import typed
from nebula.errors import UsageError


class Shown(msgspec.Struct):
    """How a list was left. `room`: columns of the screen that its rows took."""

    columns: list[str] = msgspec.field(default_factory=list)
    sort: str = ""
    room: int = 0


class Known(msgspec.Struct):
    """dashboard.json. `bookmarks`: name -> what `:` takes; `recent`: names of the palette, the latest first."""

    lists: dict[str, Shown] = msgspec.field(default_factory=dict)
    bookmarks: dict[str, str] = msgspec.field(default_factory=dict)
    recent: list[str] = msgspec.field(default_factory=list)
    theme: str = ""


class Context(msgspec.Struct, frozen=True):
    """How a home is called in the header, in which colour, and whether only to be looked at."""

    name: str = ""
    colour: str = ""
    readonly: bool = False


class Choices(msgspec.Struct, frozen=True):
    """keys.json: a person's own keys by what they do ("vm.poweroff": "O"), and the homes that they know."""

    keys: dict[str, str] = msgspec.field(default_factory=dict)
    contexts: dict[str, Context] = msgspec.field(default_factory=dict)


class Memory:
    """Both files, in a directory that need not exist."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "dashboard.json"
        self.known = self._read()
        self.choices = _choices(directory / "keys.json")

    def _read(self) -> Known:
        """What was remembered; a file that makes no sense is as good as none."""
        with suppress(OSError, msgspec.MsgspecError, UnicodeError):
            found: Known = typed.decode(self._file.read_bytes(), Known)
            return found
        return Known()

    def save(self) -> None:
        """Write it; a directory that cannot be written to is no error."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self.known)))
            fresh.replace(self._file)

    def used(self, name: str) -> None:
        """Something of the palette was used."""
        self.known.recent = [name, *(other for other in self.known.recent if other != name)][:50]


def _choices(path: Path) -> Choices:
    try:
        found: Choices = typed.decode(path.read_bytes(), Choices)
    except FileNotFoundError:
        return Choices()
    except (OSError, msgspec.MsgspecError, UnicodeError) as error:
        raise UsageError(f"{path} cannot be used", cause=str(error), hint="see docs/dashboard.md, or move it away") from error
    return found


def directory(environ: Mapping[str, str]) -> Path:
    """Where a person's files lie: XDG_CONFIG_HOME/nebula."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config") / "nebula"
