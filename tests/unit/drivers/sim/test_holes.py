"""Files in the simulated world lose their zeros and nothing else."""

from __future__ import annotations

import pytest

from nebula.drivers.sim.holes import packed, unpacked
from nebula.engine.context import build_iso

DATA = [
    b"", b"one", bytes(3), bytes(4096), bytes(9000), b"x" * 9000, bytes(5000) + b"end", b"begin" + bytes(9000),
    bytes(4095) + b"xy" + bytes(5000), b"\0holes\0", b"\0holes\0" + b"y" * 70, bytes(range(256)) * 64,
]  # fmt: skip


@pytest.mark.parametrize("data", DATA, ids=range(len(DATA)))
def test_what_was_stored_comes_back(data: bytes) -> None:
    assert unpacked(packed(data)) == data
    assert unpacked(packed(packed(data))) == packed(data), "what looks like it was packed is data, too"


def test_a_context_cd_takes_a_tenth() -> None:
    cd = build_iso({"context.sh": b"ETH0_IP='10.0.0.1'\n" * 20})
    assert len(packed(cd)) < len(cd) / 10
