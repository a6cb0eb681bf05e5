"""A tool on a host that stands still at a test's word, so that something else can happen exactly there.

The host's tool is a script in its own /usr/local/bin (or libvirt's hook for QEMU), which comes before the machine's: the
product runs as it is, and meets a host that is slow in one place. The gate stands before the tool does its work or after it;
whoever comes by once it is open passes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .handle import LabHandle, eventually

HOOK = "libvirt's hook"
"""The tool's name for what libvirtd does: `words` is the hook's operation (prepare, started, stopped, release, migrate)."""

When = Literal["before", "after"]
_STAND = (
    "stand() { : >/tmp/gate/reached; while [ -e /tmp/gate/shut ]; do sleep 0.05; done; }\nwords=$(cat /tmp/gate/shut 2>&1)\n"
)
_TOOL = """\
#!/bin/sh
%s
case " $* " in *"$words"*) ;; *) exec %s "$@" ;; esac
[ -e /tmp/gate/after ] || { stand; exec %s "$@"; }
%s "$@"
status=$?
stand
exit "$status"
"""
_HOOK = """\
#!/bin/sh
cat >/dev/null
%s
[ "$words" != "$2" ] || stand
"""


@dataclass(frozen=True)
class Gate:
    """One gate on one host: `words` are part of the tool's command line."""

    lab: LabHandle
    host: str
    tool: str
    words: str
    when: When = "before"

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Shut while the block runs, or until `open`."""
        self._place.mkdir(exist_ok=True)
        if self.when == "after":
            (self._place / "after").touch()
        (self._place / "shut").write_text(self.words)
        if self.tool != HOOK:
            self._script.write_text(_TOOL % (_STAND, *[shutil.which(self.tool)] * 3))
            self._script.chmod(0o755)
        try:
            yield
        finally:
            self.open()
            if self.tool != HOOK:
                self._script.unlink()
            shutil.rmtree(self._place)

    def reached(self) -> bool:
        """Whether somebody stands there."""
        return (self._place / "reached").exists()

    def await_reached(self) -> None:
        """Wait until somebody stands there."""
        eventually(self.reached, f"{self.tool} {self.words!r} on {self.host}", seconds=60)

    def open(self) -> None:
        """Let pass."""
        (self._place / "shut").unlink(missing_ok=True)

    @property
    def _files(self) -> Path:
        return self.lab.root / "hosts" / self.host

    @property
    def _place(self) -> Path:
        return self._files / "tmp" / "gate"

    @property
    def _script(self) -> Path:
        return self._files / "local-bin" / self.tool


def install_hook(lab: LabHandle, host: str) -> None:
    """Give libvirtd its hook; it looks for one when it starts only."""
    script = lab.root / "hosts" / host / "etc-libvirt" / "hooks" / "qemu"
    script.write_text(_HOOK % _STAND)
    script.chmod(0o755)
    lab.damage(host, "libvirtd")
    lab.mend(host, "libvirtd")
