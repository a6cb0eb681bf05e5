"""Start of an unpacked copy: `python -I -S start.py FILE ARGUMENT...`, where FILE is what the user called.

Runs on every start, so it imports only what the program needs anyway. The copy's file `used` says when it was last
started, and is locked (shared) for as long as the program runs: nobody clears away a copy that is in use.
"""

import fcntl
import os
import sys


def start() -> None:
    """Become `nebula`, as if FILE itself had been started."""
    here = os.path.dirname(os.path.abspath(__file__))
    mark_used(f"{here}/used")
    sys.path.append(f"{here}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
    sys.argv = [os.path.abspath(sys.argv[1]), *sys.argv[2:]]
    from nebula.cli.entry import main

    sys.exit(main())


def mark_used(path: str) -> None:
    """Note the time and take the lock; a read-only copy is never cleared away, so it needs neither."""
    try:
        used = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return
    fcntl.flock(used, fcntl.LOCK_SH)
    os.utime(used)


start()
