from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nebula.transport.lines import LineSplitter

_PIECES = st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"\r", b"\r\n", b"a\rb"]), max_size=20)


@given(_PIECES)
def test_how_the_bytes_arrive_makes_no_difference(pieces: list[bytes]) -> None:
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append)
    for piece in pieces:
        splitter.feed(piece)
    splitter.finish()
    assert seen == [line for line in b"".join(pieces).replace(b"\r", b"\n").split(b"\n") if line]


def test_endless_line_comes_in_pieces() -> None:
    seen: list[bytes] = []
    splitter = LineSplitter(seen.append)
    for _ in range(10):
        splitter.feed(b"x" * 10_000)
    assert seen
    splitter.finish()
    assert b"".join(seen) == b"x" * 100_000
