"""Options that every command understands, wherever they stand on the line."""

from __future__ import annotations

from typing import Literal, NamedTuple

Colour = Literal["auto", "always", "never"]


class GlobalOptions(NamedTuple):
    """`home` "" leaves the choice to NEBULA_HOME and the defaults. `wait`: False for --no-wait."""

    home: str = ""
    no_wait: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    color: Colour = "auto"
    daemon: bool = False
