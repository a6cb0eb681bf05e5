"""Ganeti's hbal, a peer: from Debian's package ganeti-htools, given the same cluster as text."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SECONDS = 300.0
_VCPUS = 32
"""Of a host, as far as promising them matters: VMs are promised one, and CPUs may be promised as often as one likes."""


class Question(NamedTuple):
    """Equal hosts, the host of each VM, (N,) MiB promised, MiB that a host may promise, and (N, 4) what VMs use of CPU, memory,
    disk and network, as shares of a host.
    """

    hosts: int
    at: NDArray[np.int64]
    promised: NDArray[np.float64]
    room: float
    use: NDArray[np.float64]


class Answer(NamedTuple):
    """Where hbal puts every VM, and how long that took."""

    at: NDArray[np.int64]
    seconds: float


def installed() -> bool:
    """Whether it is on this machine."""
    return shutil.which("hbal") is not None


def balance(question: Question, scratch: Path) -> Answer | None:
    """Its answer; None if it does not end in time."""
    data, use, saved = scratch / "cluster", scratch / "use", scratch / "after"
    data.write_text(_cluster(question))
    use.write_text("".join(f"v{n} {' '.join(f'{part:.6f}' for part in row)}\n" for n, row in enumerate(question.use.tolist())))
    argv = ["hbal", "-t", str(data), "-U", str(use), "--no-disk-moves", "-l", "100000", "-q", "-S", str(saved)]
    began = time.monotonic()
    try:
        subprocess.run(argv, capture_output=True, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None
    seconds = time.monotonic() - began
    return Answer(_placed(saved.with_name(f"{saved.name}.balanced").read_text(), len(question.at)), seconds)


def _cluster(question: Question) -> str:
    used, total = np.bincount(question.at, question.promised, question.hosts), int(question.room)
    nodes = [
        f"h{n}|{total}|0|{total - int(used[n])}|1000000|1000000|{_VCPUS}|{'M' if n == 0 else 'N'}|g|1||N|0|1|1.0"
        for n in range(question.hosts)
    ]
    vms = [f"v{n}|{int(mib)}|0|1|running|Y|h{question.at[n]}||ext||1|-|N" for n, mib in enumerate(question.promised.tolist())]
    policy = "128,1,1024,1,1,1;1048576,64,1048576,16,8,64"
    tail = f"|128,1,1024,1,1,1|{policy}|ext,diskless|10000.0|{_VCPUS}.0"
    return "\n".join(["group|g|preferred||", "", *nodes, "", *vms, "", "", tail, f"group{tail}", ""])


def _placed(text: str, count: int) -> NDArray[np.int64]:
    at = np.zeros(count, dtype=np.int64)
    for line in text.splitlines():
        words = line.split("|")
        if line.startswith("v") and len(words) > 6:
            at[int(words[0][1:])] = int(words[6][1:])
    return at
