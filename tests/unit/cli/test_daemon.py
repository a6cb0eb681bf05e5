"""What the daemon writes for the journal, and how it hears signals."""

from __future__ import annotations

import subprocess
import sys

TALK = """
import logging
from nebula.cli.daemon import log_to_stderr
log_to_stderr()
logging.getLogger("nebula.engine").info("a job waits")
logging.getLogger("asyncssh").info("Command: a script of a thousand words")
logging.getLogger("asyncssh.sftp").warning("a fault")
"""


def test_the_journal_has_our_words_and_no_commands() -> None:
    done = subprocess.run([sys.executable, "-c", TALK], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["INFO nebula.engine: a job waits", "WARNING asyncssh.sftp: a fault"]


HELD = """
import signal, threading
from nebula.cli.daemon import stop_on_signals
ended = threading.Event()
stop_on_signals(ended)
with ended._cond:  # the main thread is anywhere inside ended.wait()
    signal.raise_signal(signal.SIGTERM)
print(ended.wait(20))
"""


def test_a_signal_is_heard_where_the_main_thread_holds_a_lock() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "True\n"
