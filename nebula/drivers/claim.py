"""Whose a host is: one engine manages it, and says so in a file under the host's root directory.

A second engine would take the first one's copies of images for its own, and its keys away when it leaves.
"""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.errors import ConflictError
from nebula.transport.scripts import sh

FILE = "managed-by"
"""Two lines: the engine's identity, and where its home is."""
_TAKE = """
mkdir -p -m 0755 -- "$1" && cd -- "$1" || exit 1
printf "%s\\n%s\\n" "$2" "$3" >"$5" && sync -- "$5" || exit 1
if [ "$4" = yes ]; then mv -fT -- "$5" managed-by; else ln -T -- "$5" managed-by 2>/dev/null; fi
rm -f -- "$5"
cat managed-by
"""
_LEAVE = """
cd -- "$1" 2>/dev/null || exit 0
[ ! -e managed-by ] || [ "$(head -n 1 managed-by)" != "$2" ] || rm -f managed-by
"""


def claim(host: HostHandle, identity: str, home: str, *, take_over: bool = False) -> None:
    """Make the host this engine's, which it may be already. `home` is told to other engines.

    ConflictError where it is another engine's, unless `take_over`.
    """
    words = [host.root, identity, _line(home), "yes" if take_over else "no", f"{FILE}.{identity}"]
    held = host.transport.run(sh(_TAKE, *words), root=True).text.splitlines()
    if held[:1] != [identity]:
        raise _foreign(host, held)


def require(host: HostHandle, identity: str) -> None:
    """ConflictError where the host is another engine's. One that nobody claimed is nobody else's."""
    held = _held(host)
    if held and held[0] != identity:
        raise _foreign(host, held)


def leave(host: HostHandle, identity: str) -> None:
    """The host is this engine's no more. Another engine's claim stays."""
    host.transport.run(sh(_LEAVE, host.root, identity), root=True)


def _held(host: HostHandle) -> list[str]:
    return host.transport.run(["cat", "--", f"{host.root}/{FILE}"], root=True, check=False).text.splitlines()


def _foreign(host: HostHandle, held: list[str]) -> ConflictError:
    name = host.transport.name
    return ConflictError(
        f"host {name} is managed by another engine",
        cause=f"that of {' '.join(held[1:2])[:200] or 'an unknown home'}; two engines would take away what the other one needs",
        hint=f"remove it there (nebula host remove), or, if that engine is gone: nebula host update {name} --take-over",
    )


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
