"""Commands as the dashboard does them: tried, run aside, or at the terminal while the dashboard steps aside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nebula.cli import entry as program
from nebula.cli import report
from nebula.cli.context import Context
from nebula.errors import NebulaError
from nebula.tui import lines, running

if TYPE_CHECKING:
    from textual.app import App

    from nebula.cli.context import Connect, Results
    from nebula.cli.options import GlobalOptions
    from nebula.tui.lines import Filled
    from nebula.tui.link import Link
    from nebula.tui.offers import Offer


class Aside(Context):
    """A run at the terminal, behind which the dashboard goes on."""

    def become(self, program: str, argv: Sequence[str]) -> int:
        """See Context."""
        self.out.flush()
        return subprocess.run([program, *argv[1:]], check=False).returncode


class Doer:
    """Runs offers on the link's engine."""

    def __init__(self, link: Link, connect: Connect, options: GlobalOptions) -> None:
        self._link, self._connect = link, connect
        self._options = options._replace(no_wait=True, color="never")

    async def attempt(self, offer: Offer, filled: Filled) -> tuple[bool, str]:
        """Whether the line would be taken, and what it says of that; nothing changes."""
        try:
            line = lines.check(offer.command, {**filled, "dry_run": True}, self._options)
            if not offer.command.changes or offer.command.terminal:
                return True, ""
            ran = await self._link.ask(
                lambda engine: running.run(running.Captured(running.OnEngine(engine, self._connect), self._options), line)
            )
        except NebulaError as error:
            return False, error.message
        return ran.status == 0, ran.text

    async def document(self, offer: Offer, filled: Filled) -> str:
        """What it would make, as YAML for `nebula apply`."""
        from nebula.tui.declaring import document

        return await self._link.ask(
            lambda engine: document(engine, self._connect, offer.command, {**filled, "dry_run": True}, self._options)
        )

    async def run(self, offer: Offer, filled: Filled, results: Results) -> running.Ran:
        """Do it."""
        try:
            line = lines.check(offer.command, filled, self._options)
            return await self._link.aside(
                lambda engine: running.run(
                    running.Captured(running.OnEngine(engine, self._connect), self._options, results=results), line
                )
            )
        except NebulaError as error:
            return running.Ran(error.exit_status, "", str(error))

    def at_terminal(self, app: App[str], offer: Offer, filled: Filled) -> int:
        """Do it while the dashboard steps aside; its exit status."""
        with app.suspend():
            context = Aside(self._options._replace(no_wait=False, quiet=False, color="auto"), self._connect)
            try:
                context.connect = running.OnEngine(self._link.engine, self._connect)
                line = lines.check(offer.command, filled, context.options)
                status = program.handler(line)(context, line)
            except NebulaError as error:
                status = report.error(context, error)
            except KeyboardInterrupt:
                status = 130
            if status not in {0, 130}:
                sys.stderr.write("Enter goes back to the dashboard")
                sys.stderr.flush()
                sys.stdin.readline()
        return status
