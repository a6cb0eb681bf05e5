"""The agent of a simulated guest: QEMU's protocol over files and a handful of programs, all kept in the world."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.records import Domain
from nebula.errors import ConflictError, NebulaError
from nebula.model.guest import GuestAddress

_KILLED = 9


class Ended(NamedTuple):
    """What a program leaves, after so many seconds."""

    status: int = 0
    out: bytes = b""
    err: bytes = b""
    seconds: float = 0.0


class SimAgent:
    """One running guest's. Every method runs inside a transaction."""

    def __init__(self, db: Database, domain: Domain) -> None:
        self._db, self._domain, self._uuid = db, domain, domain.uuid

    def answer(self, command: str, arguments: Mapping[str, Any], now: float) -> Any:
        """What it returns; ConflictError if the domain has no channel to it, NebulaError for what it refuses."""
        if self._domain.spec is None or not self._domain.spec.guest_agent:
            raise ConflictError(
                f"no guest agent answers in {self._domain.name} on host {self._domain.host}",
                cause="QEMU guest agent is not configured",
                hint="install qemu-guest-agent in the guest (apt install qemu-guest-agent), or: nebula vm ssh",
            )
        known: dict[str, Callable[[Mapping[str, Any], float], Any]] = {
            "guest-ping": lambda _given, _now: {},
            "guest-exec": self._execute,
            "guest-exec-status": self._look,
            "guest-file-open": self._open,
            "guest-file-seek": self._seek,
            "guest-file-read": self._read,
            "guest-file-write": self._write_on,
            "guest-file-flush": lambda _given, _now: {},
            "guest-file-close": self._close,
        }
        if command not in known:
            raise self._refused(command, f"The command {command} has not been found")
        return known[command](arguments, now)

    def _refused(self, command: str, words: str) -> NebulaError:
        return NebulaError(f"the guest agent in {self._domain.name} on host {self._domain.host} refuses {command}", cause=words)

    def addresses(self) -> list[GuestAddress]:
        """What the host has seen of its cards."""
        cards = self._domain.spec.interfaces if self._domain.spec else ()
        return [GuestAddress(mac=card.mac, address=_address(card.mac), source="neighbours") for card in cards]

    # --- files

    def file(self, path: str) -> bytes | None:
        """A file's content."""
        row = self._db.one("SELECT data FROM guest_files WHERE uuid=? AND path=?", self._uuid, path)
        return None if row is None else bytes(row[0])

    def write(self, path: str, data: bytes) -> None:
        """Put a file there."""
        self._db.run("INSERT OR REPLACE INTO guest_files VALUES (?,?,?)", self._uuid, path, data)

    def _open(self, given: Mapping[str, Any], _now: float) -> int:
        path, mode = str(given["path"]), str(given.get("mode", "r"))
        if not path.startswith("/") or path.endswith("/"):
            raise self._refused("guest-file-open", f"failed to open file '{path}' (mode: '{mode}'): Is a directory")
        if mode.startswith("w"):
            self.write(path, b"")
        elif self.file(path) is None:
            raise self._refused("guest-file-open", f"failed to open file '{path}' (mode: '{mode}'): No such file or directory")
        return self._db.insert("INSERT INTO guest_handles(uuid, path, mode, position) VALUES (?,?,?,0)", self._uuid, path, mode)

    def _handle(self, given: Mapping[str, Any]) -> tuple[int, str, int]:
        number = int(given["handle"])
        row = self._db.one("SELECT path, position FROM guest_handles WHERE id=? AND uuid=?", number, self._uuid)
        if row is None:
            raise self._refused("guest-file-read", f"handle '{number}' has not been found")
        return number, str(row[0]), int(row[1])

    def _at(self, number: int, position: int) -> None:
        self._db.run("UPDATE guest_handles SET position=? WHERE id=?", position, number)

    def _seek(self, given: Mapping[str, Any], _now: float) -> dict[str, Any]:
        number, path, position = self._handle(given)
        size = len(self.file(path) or b"")
        start = {0: 0, "set": 0, 1: position, "cur": position, 2: size, "end": size}[given["whence"]]
        self._at(number, start + int(given["offset"]))
        return {"position": start + int(given["offset"]), "eof": False}

    def _read(self, given: Mapping[str, Any], _now: float) -> dict[str, Any]:
        number, path, position = self._handle(given)
        data = self.file(path) or b""
        part = data[position : position + int(given.get("count", 4096))]
        self._at(number, position + len(part))
        return {"count": len(part), "buf-b64": base64.b64encode(part).decode(), "eof": position + len(part) >= len(data)}

    def _write_on(self, given: Mapping[str, Any], _now: float) -> dict[str, Any]:
        number, path, position = self._handle(given)
        part, data = base64.b64decode(given["buf-b64"]), self.file(path) or b""
        self.write(path, data[:position].ljust(position, b"\0") + part + data[position + len(part) :])
        self._at(number, position + len(part))
        return {"count": len(part), "eof": False}

    def _close(self, given: Mapping[str, Any], _now: float) -> dict[str, Any]:
        number, _, _ = self._handle(given)
        self._db.run("DELETE FROM guest_handles WHERE id=?", number)
        return {}

    # --- programs

    def _execute(self, given: Mapping[str, Any], now: float) -> dict[str, int]:
        words = [str(given["path"]), *map(str, given.get("arg") or ())]
        ended = self._run(words, base64.b64decode(given.get("input-data", "")))
        if ended is None:
            raise self._refused("guest-exec", f"Failed to execute child process “{words[0]}” (No such file or directory)")
        pid = self._db.insert(
            "INSERT INTO guest_programs(uuid, ends, status, out, err) VALUES (?,?,?,?,?)",
            self._uuid, now + ended.seconds, ended.status, ended.out, ended.err,
        )  # fmt: skip
        return {"pid": pid}

    def _run(self, words: Sequence[str], given: bytes) -> Ended | None:
        """The programs that a simulated guest has."""
        program, *arguments = words
        if program == "sha256sum":
            data = self.file(arguments[-1])
            return (
                Ended(1, err=b"No such file")
                if data is None
                else Ended(out=f"{hashlib.sha256(data).hexdigest()}  x\n".encode())
            )
        if program == "sh" and arguments[-1].startswith("kill "):
            victim = int(arguments[-1].split()[-1])
            self._db.run("UPDATE guest_programs SET ends=0, status=? WHERE id=? AND uuid=?", -_KILLED, victim, self._uuid)
            return Ended()
        simple = {
            "true": Ended(),
            "false": Ended(1),
            "echo": Ended(out=" ".join(arguments).encode() + b"\n"),
            "cat": Ended(out=given),
            "complain": Ended(3, err=b"it hurts\n"),
        }
        return Ended(seconds=float(arguments[0])) if program == "sleep" else simple.get(program)

    def _look(self, given: Mapping[str, Any], now: float) -> dict[str, Any]:
        pid = int(given["pid"])
        row = self._db.one("SELECT ends, status, out, err FROM guest_programs WHERE id=? AND uuid=?", pid, self._uuid)
        if row is None:
            raise self._refused("guest-exec-status", "Invalid parameter 'pid'")
        ends, status, out, err = row
        if now < ends:
            return {"exited": False}
        self._db.run("DELETE FROM guest_programs WHERE id=?", pid)
        how = {"signal": -status} if status < 0 else {"exitcode": status}
        texts = {"out-data": out, "err-data": err}
        return {"exited": True, **how, **{name: base64.b64encode(text).decode() for name, text in texts.items() if text}}


def _address(mac: str) -> str:
    """As OpenNebula's MACs hold it; a card whose MAC holds none got one of somebody's DHCP server."""
    bytes_of = [int(part, 16) for part in mac.split(":")[2:]]
    return ".".join(map(str, bytes_of if bytes_of[0] else (198, 51, 100, bytes_of[3])))
