"""Private MariaDB and PostgreSQL servers on loopback: own directory, port and socket, an unprivileged user, ended by pid."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal

from nebula.engine.store.database import Location, connect, parse_url

PASSWORD = "p@ss/word %"  # signs that a URL must carry
QUOTED = "p%40ss%2Fword%20%25"
START_SECONDS = 30.0
Kind = Literal["mysql", "postgres"]
_numbers = count(1)


class Server:
    """A running server; `fresh` makes an empty database on it."""

    def __init__(self, kind: Kind, port: int, folder: Path, account: str) -> None:
        self.kind = kind
        self.port = port
        self.folder = folder
        self.account = account
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def scheme(self) -> str:
        """As in a URL."""
        return "mysql" if self.kind == "mysql" else "postgresql"

    def url(self, database: str) -> str:
        """The URL of a database of this server."""
        return f"{self.scheme}://nebula:{QUOTED}@127.0.0.1:{self.port}/{database}"

    def location(self, database: str) -> Location:
        """Its location."""
        return parse_url(self.url(database), self.folder)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of an empty database, gone afterwards."""
        name = f"nebula_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.sql(f"DROP DATABASE {name}" + (" WITH (FORCE)" if self.kind == "postgres" else ""))

    def sql(self, text: str) -> None:
        """Run a statement of the test's own as the server's administrator."""
        connection = connect(self.location("mysql" if self.kind == "mysql" else "postgres"))
        try:
            connection.cursor().execute(text)
        finally:
            connection.close()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = _spawn(_COMMANDS[self.kind](self), self)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.kind} did not start:\n{(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once; its files stay."""
        if self.process is None:
            return
        self.process.kill() if self.kind == "mysql" else self.process.send_signal(3)
        try:
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except Exception:
            return False
        return True


@contextmanager
def server(kind: Kind) -> Iterator[Server]:
    """A new server for the length of a block."""
    account = _account(kind)
    folder = Path(tempfile.mkdtemp(prefix=f"nebula-{kind}-"))
    made = Server(kind, _free_port(), folder, account)
    try:
        if account:
            shutil.chown(folder, account)
        _INSTALL[kind](made)
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _account(kind: Kind) -> str:
    """The package's own user when we are root (neither server runs as root); else nobody else than us."""
    if os.geteuid() != 0:
        return ""
    return pwd.getpwnam("mysql" if kind == "mysql" else "postgres").pw_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_account(made: Server) -> dict[str, Any]:
    return {"user": made.account, "group": made.account, "extra_groups": []} if made.account else {}


def _spawn(argv: Sequence[str], made: Server) -> subprocess.Popen[bytes]:
    with (made.folder / "log").open("ab") as log:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=made.folder, env=_ENVIRONMENT, **_as_account(made)
        )


def _run(argv: Sequence[str], made: Server) -> None:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, cwd=made.folder, env=_ENVIRONMENT, timeout=START_SECONDS,
        check=False, **_as_account(made),
    )  # fmt: skip
    assert done.returncode == 0, (argv[0], done.stdout[-2000:], done.stderr[-2000:])


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def _install_mysql(made: Server) -> None:
    data = made.folder / "data"
    _run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ],
        made,
    )
    first = made.folder / "init.sql"
    user = "nebula@'127.0.0.1'"
    first.write_text(f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {user};\n")
    first.chmod(0o644)


def _mysql_command(made: Server) -> list[str]:
    first = made.folder / "init.sql"
    once = [] if (made.folder / "mysql.pid").exists() else [f"--init-file={first}"]
    return [
        "mariadbd", "--no-defaults", f"--datadir={made.folder / 'data'}", f"--port={made.port}", "--bind-address=127.0.0.1",
        f"--socket={made.folder / 'socket'}", f"--pid-file={made.folder / 'mysql.pid'}", "--skip-name-resolve",
        "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--performance-schema=OFF", "--debug-no-sync", *once,
    ]  # fmt: skip


def _bin(name: str) -> str:
    """PostgreSQL's programs lie beside its version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name


def _install_postgres(made: Server) -> None:
    secret = made.folder / "password"
    secret.write_text(PASSWORD)
    if made.account:
        shutil.chown(secret, made.account)
    _run(
        [
            _bin("initdb"), f"--pgdata={made.folder / 'data'}", "--username=nebula", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync",
        ],
        made,
    )  # fmt: skip


def _postgres_command(made: Server) -> list[str]:
    return [
        _bin("postgres"), "-D", str(made.folder / "data"), "-p", str(made.port), "-h", "127.0.0.1", "-k", str(made.folder),
        "-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "fsync=off",
    ]  # fmt: skip


_INSTALL = {"mysql": _install_mysql, "postgres": _install_postgres}
_COMMANDS = {"mysql": _mysql_command, "postgres": _postgres_command}
