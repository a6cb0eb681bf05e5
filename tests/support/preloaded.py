"""What the server of `tests.support.forks` imports: what engines on simulated hosts and commands import once they run."""

from __future__ import annotations

import gc
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import nebula.cli
import nebula.drivers.sim
import nebula.engine
import nebula.rpc
from nebula.engine.store.schema import tables_of_sqlite

_SELDOM = ("nebula.engine.drs.", "nebula.engine.forecast.")
"""It brings numpy, whose threads a fork does without."""


def _import_all() -> None:
    for package in (nebula.cli, nebula.drivers.sim, nebula.engine, nebula.rpc):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(_SELDOM):
                import_module(module.name)
    for name in (
        "asyncio",
        "cryptography.hazmat.primitives.serialization.ssh",
        "encodings.utf_16_be",
        "labkit.cli",
        "nebula.transport.ssh",
        "peewee",
        "pycdlib",
        "tests.crash.world",
        "tests.support.forked",
        "tests.support.ways",
    ):
        import_module(name)


sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
_import_all()
tables_of_sqlite()
gc.collect()
gc.freeze()  # a collection in a fork would copy all of this
