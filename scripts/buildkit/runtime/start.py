"""Start of an unpacked copy: `python -I -S start.py FILE ARGUMENT...`, where FILE is what the user called.

Runs on every start, so it imports only what the program needs anyway. The copy's file `used` says when it was last
started, and is locked (shared) for as long as the program runs: nobody clears away a copy that is in use.
"""

from __future__ import annotations

import fcntl
import os
import sys

TYPE_CHECKING = False  # typing itself takes milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


DAMAGED = 3
"""The status with which the archive says that a copy was damaged; it has then thrown it away."""


def start() -> None:
    """Become `nebula`, as if FILE itself had been started."""
    here = os.path.dirname(os.path.abspath(__file__))
    mark_used(f"{here}/used")
    sys.path.append(f"{here}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
    sys.argv = [os.path.abspath(sys.argv[1]), *sys.argv[2:]]
    try:
        status = program()()
    except KeyboardInterrupt:
        status = 130
    leave(status)


def leave(status: int) -> NoReturn:
    """End. An interpreter takes itself apart for milliseconds, which only threads, and what is to be done at exit, need."""
    if "threading" not in sys.modules and "atexit" not in sys.modules:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass  # who asked has left: what is left goes nowhere
        else:
            os._exit(status)
    sys.exit(status)


def program() -> Callable[[], int]:
    """The program's main function; a damaged copy is replaced, once, since nothing has been done yet."""
    try:
        from nebula.cli.entry import main
    except Exception:
        if not mend():
            raise
        os.execv("/bin/sh", ["/bin/sh", *sys.argv])  # noqa: S606 - our own script, arguments as they came
    return main


def mend() -> bool:
    """Whether this copy was damaged (a power cut, a tidied /var/tmp); then it is gone, and the next start makes another."""
    import subprocess

    environ = {**os.environ, "NEBULA_CHECK": os.path.dirname(os.path.abspath(__file__))}
    return subprocess.run([sys.executable, "-I", "-S", sys.argv[0]], env=environ, check=False).returncode == DAMAGED


def mark_used(path: str) -> None:
    """Note the time and take the lock; a copy that cannot be written to is never cleared away, so it needs neither."""
    try:
        used = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    fcntl.flock(used, fcntl.LOCK_SH)
    os.utime(used)


start()
