"""Verbs of the façade that reach into a running guest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nebula.engine.api.values import Call, Executed, FilePart
from nebula.engine.guest.agent import GuestAgent, check_command
from nebula.engine.local import vm_access
from nebula.engine.local.vm_noun import VmNoun
from nebula.model.guest import GuestAddress


class GuestVerbs(VmNoun):
    """See nebula.engine.api.verbs.Vms. What happens in a guest is no change of ours: it needs no transaction."""

    def definition(self, ref: str) -> str:
        """See Vms.definition."""
        return vm_access.definition(self._services, self._find(self._store.read(), ref))

    def screenshot(self, ref: str) -> bytes:
        """What its screen shows now, as a PNG."""
        return vm_access.screenshot(self._services, self._find(self._store.read(), ref))

    def addresses(self, ref: str) -> list[GuestAddress]:
        """See Vms.addresses."""
        return vm_access.addresses(self._services, self._find(self._store.read(), ref))

    def execute(self, ref: str, command: Sequence[str], call: Call, stdin: bytes = b"") -> int:  # noqa: ARG002
        """See Vms.execute."""
        check_command(command, stdin)
        return self._agent(ref).execute(command, stdin)

    def executed(self, ref: str, pid: int, call: Call, wait: float = 0.0) -> Executed:  # noqa: ARG002
        """See Vms.executed."""
        return vm_access.executed(self._agent(ref), pid, wait)

    def kill(self, ref: str, pid: int, call: Call) -> None:  # noqa: ARG002
        """See Vms.kill."""
        self._agent(ref).kill(pid)

    def open_file(self, ref: str, path: str, mode: Literal["read", "write"], call: Call) -> int:  # noqa: ARG002
        """See Vms.open_file."""
        return self._agent(ref).open(path, mode)

    def read_file(self, ref: str, handle: int, offset: int, count: int, call: Call) -> FilePart:  # noqa: ARG002
        """See Vms.read_file."""
        return self._agent(ref).read(handle, offset, count)

    def write_file(self, ref: str, handle: int, offset: int, data: bytes, call: Call) -> int:  # noqa: ARG002
        """See Vms.write_file."""
        return self._agent(ref).write(handle, offset, data)

    def close_file(self, ref: str, handle: int, call: Call) -> None:  # noqa: ARG002
        """See Vms.close_file."""
        self._agent(ref).close(handle)

    def _agent(self, ref: str) -> GuestAgent:
        return vm_access.agent(self._services, self._find(self._store.read(), ref))
