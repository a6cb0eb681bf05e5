"""Types that many threads meet at once for the first time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from nebula import typed

THREADS_MEET_TYPES = """
import sys, threading, types
import msgspec
from nebula import typed

sys.setswitchinterval(1e-6)
TEXT = '''
from __future__ import annotations
import msgspec
class Inner{n}(msgspec.Struct, kw_only=True):
    a: int
    b: list[int] = msgspec.field(default_factory=list)
class Outer{n}(msgspec.Struct, kw_only=True):
    some: list[Inner{n}] = msgspec.field(default_factory=list)
    one: Inner{n} | None = None
'''
module = sys.modules["made"] = types.ModuleType("made")

def meet(barrier, kind):
    barrier.wait()
    found = typed.convert({"some": [{"a": 1}], "one": {"a": 2}}, kind)
    assert (found.some[0].a, found.one.a) == (1, 2)
    assert typed.decode(b'{"one":{"a":3}}', kind).one.a == 3

for n in range(60):
    exec(TEXT.replace("{n}", str(n)), module.__dict__)
    barrier = threading.Barrier(6)
    kind = getattr(module, f"Outer{n}")
    threads = [threading.Thread(target=meet, args=(barrier, kind)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("alive")
"""


def test_threads_that_meet_a_type_together() -> None:
    """In a process of its own: what goes wrong here ends the process."""
    root = str(Path(typed.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", THREADS_MEET_TYPES], capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_what_is_not_of_the_type_is_refused() -> None:
    assert typed.decoder(list[int])(b"[1]") == [1]
    with pytest.raises(msgspec.ValidationError):
        typed.convert({"a": "x"}, dict[str, int])
    with pytest.raises(msgspec.DecodeError):
        typed.decode(b"{", dict[str, int])
