"""How a guest is told where to report to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ASKING = ("TOKEN", "REPORT_READY")
ENDPOINT = "ONEGATE_ENDPOINT"


class GateContext(NamedTuple):
    """`token`: the VM's own, "" where it has none; `endpoint`: the engine's, "" where no OneGate is."""

    vm_id: int = 0
    token: str = ""
    endpoint: str = ""


NO_GATE = GateContext()


def asks_token(context: Mapping[str, Any]) -> bool:
    """Whether a context wants a token: who is to report cannot without one."""
    return any(str(context.get(name) or "").upper() == "YES" for name in ASKING)


def gate_variables(given: Mapping[str, str], gate: GateContext) -> dict[str, str]:
    """What replaces the context's own words about OneGate: nothing where nobody would answer. An endpoint of the context's
    own wins: not every guest reaches the engine by the same way.
    """
    endpoint = given.get(ENDPOINT) or gate.endpoint
    if not (asks_token(given) and gate.token and endpoint):
        return {}
    told = {"TOKEN": "YES", "VMID": str(gate.vm_id), ENDPOINT: endpoint}
    return told | ({"REPORT_READY": "YES"} if str(given.get("REPORT_READY") or "").upper() == "YES" else {})


def token_file(variables: Mapping[str, str], gate: GateContext) -> dict[str, bytes]:
    """`token.txt`, for a guest that was told where to report to."""
    return {"token.txt": f"{gate.token}\n".encode()} if variables.get("TOKEN") == "YES" else {}
