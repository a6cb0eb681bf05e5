"""What is shown of a test that failed: what the engine knows, and what hosts and guests say for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from subprocess import SubprocessError, TimeoutExpired

from tests.e2e.program import Program
from tests.lab.handle import LabHandle

_SCREENS = (
    ("host", "list"),
    ("vm", "list", "-f", "wide"),
    ("job", "list", "-f", "wide"),
    ("drs", "status"),
    ("drs", "history"),
    ("event", "list"),
)
_LINES, _LINES_OF_A_HOST = 60, 200
"""How many lines are shown, the last ones."""
_HOST = """
exec 2>&1
virsh list --all
for name in $(virsh list --name); do
    echo "-- $name's console"
    sleep 4 | timeout 4 script -qfec "virsh console $name" /dev/null
    echo "-- $name's processors and cards"
    virsh domstats "$name" --vcpu --interface
done
echo "-- bridges and neighbours"
ip -brief link
bridge fdb show | grep -v permanent
ip neigh
echo "-- filters"
nft list ruleset
iptables-save -c
ip6tables-save -c
ebtables-save -c
true
"""
"""A guest that is well says its heartbeat on its console meanwhile."""

Section = tuple[str, str]


def of_engine(program: Program) -> Iterator[Section]:
    """Its lists, and what the daemon printed."""
    for words in _SCREENS:
        yield f"nebula {' '.join(words)}", _shown(program, words)
    if program.said.exists():
        yield "the daemon", _last(program.said.read_text())


def of_hosts(lab: LabHandle) -> Iterator[Section]:
    """Each host's domains: their consoles, processors, and how their cards are reached."""
    for host in lab.status()["hosts"]:
        try:
            said = lab.exec(host["name"], "sh", "-c", _HOST)
        except (AssertionError, SubprocessError, OSError) as error:
            said = str(error)
        yield f"host {host['name']}", _last(said, _LINES_OF_A_HOST)


def _shown(program: Program, words: tuple[str, ...]) -> str:
    try:
        done = program.run(*words)
    except TimeoutExpired as error:
        return str(error)
    return _last(done.stdout + done.stderr)


def _last(text: str, lines: int = _LINES) -> str:
    return "\n".join(text.splitlines()[-lines:])
