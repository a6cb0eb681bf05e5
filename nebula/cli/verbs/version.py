"""nebula version, apart because it must work whatever else is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula import __version__

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation


def version(context: Context, line: Invocation) -> int:  # noqa: ARG001 - every handler has this shape
    """Print the version."""
    context.write(f"nebula {__version__}")
    return 0
