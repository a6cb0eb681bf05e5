"""The command line of scripts/build."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import archive, interpreters, libraries
from .errors import BuildError

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Build; 0 done, 1 failed with the reason and what to type next on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        build(arguments)
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        if error.hint:
            print(f"try: {error.hint}", file=sys.stderr)
        return 1
    return 0


def build(arguments: argparse.Namespace) -> None:
    """Make the file, with a line for each part; raises `BuildError`."""
    began = time.monotonic()
    source = Path(arguments.source).resolve()
    found = interpreters.find(arguments.python)
    wanted = libraries.requirements(source / "pyproject.toml")
    program = _program(source)
    trees = {}
    for interpreter in found:
        print(f"libraries for {interpreter.version} ({interpreter.path})", flush=True)
        site = libraries.install(interpreter, wanted, ROOT / "build" / "onefile", fresh=arguments.fresh)
        trees[interpreter.abi] = {**libraries.carried(site), **program}
    target = Path(arguments.output)
    target.parent.mkdir(parents=True, exist_ok=True)
    archive.write(target, _version(source), found, trees)
    size = target.stat().st_size / 1e6
    print(f"{target}: {size:.1f} MB, CPython {', '.join(each.version for each in found)}, {time.monotonic() - began:.0f} s")


def _program(source: Path) -> dict[str, bytes]:
    files = libraries.carried(source / "nebula")
    if "cli/entry.py" not in files:
        raise BuildError(f"{source / 'nebula'} has no cli/entry.py: is this the project's directory?")
    return {f"nebula/{name}": data for name, data in files.items()}


def _version(source: Path) -> str:
    text = (source / "nebula" / "__init__.py").read_text()
    match = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if match is None:
        raise BuildError("nebula/__init__.py names no __version__")
    return match[1]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build", description=sys.modules["__main__"].__doc__)
    parser.add_argument("-o", "--output", default=str(ROOT / "dist" / "nebula"), help="the file to write (dist/nebula)")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PATH", help="build for this interpreter only; may be repeated"
    )
    parser.add_argument("--source", default=str(ROOT), metavar="DIR", help="the project to build (this one)")
    parser.add_argument("--fresh", action="store_true", help="install the libraries again")
    return parser
