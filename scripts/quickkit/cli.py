"""The command line of scripts/quickstart."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devkit import packages
from labkit.errors import LabError

from . import libvirtd
from .errors import QuickstartError
from .steps import ask, page, show, wait_for

ROOT = Path(__file__).resolve().parents[2]
NEBULA = str(ROOT / "dist" / "nebula")
RUNNING_SECONDS = 300.0
ANSWER_SECONDS = 300.0
VM, IMAGE, NETWORK, HOST = "web", "quickstart", "lan", "local"


def main(argv: Sequence[str] | None = None) -> int:
    """Do it, or take it away; 0 done, 1 failed with the reason and what to type next on stderr."""
    arguments = _parser().parse_args(argv)
    state = Path(arguments.home).resolve()
    environment = {**os.environ, "NEBULA_HOME": str(state / "home")}
    try:
        if arguments.clean:
            clean(state, environment)
        else:
            quickstart(arguments, state, environment)
    except (QuickstartError, LabError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        if error.hint:
            print(f"try: {error.hint}", file=sys.stderr)
        return 1
    return 0


def quickstart(arguments: argparse.Namespace, state: Path, environment: Mapping[str, str]) -> None:
    """Packages, the file, libvirtd, a host, an image, a network, a VM that answers; raises `QuickstartError`."""
    if os.geteuid() != 0:
        raise QuickstartError("this installs packages and makes a network: it needs root", hint="sudo scripts/quickstart")
    packages.require([*packages.BUILD, *packages.RUN], install=True)
    if arguments.build or not Path(NEBULA).exists():
        show([sys.executable, str(ROOT / "scripts" / "build")])
    libvirtd.ensure(state)
    show([NEBULA, "host", "add", HOST], environment)
    name = image(arguments.image, environment)
    show([NEBULA, "network", "create", NETWORK, "--nat"], environment)
    memory = arguments.memory or ("128M" if name == IMAGE else "1G")
    size = ["--memory", memory, "--cpus", "1"]
    show([NEBULA, "vm", "create", VM, "--image", name, *size, "--network", NETWORK], environment)
    at = wait_for("state RUNNING", lambda: running(environment), RUNNING_SECONDS)
    show_running(at, environment["NEBULA_HOME"], own_image=name == IMAGE)


def image(wanted: str, environment: Mapping[str, str]) -> str:
    """Make the image: the lab's own small guest, or one that the catalogue names; its name."""
    if wanted:
        show([NEBULA, "image", "create", wanted], environment)
        return wanted
    built = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "lab"), "images"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        timeout=900,
        check=False,
    )
    paths = [line for line in built.stdout.splitlines() if line.endswith(".qcow2")]
    if built.returncode != 0 or not paths:
        raise QuickstartError("scripts/lab images made no image", hint="scripts/lab images --force")
    show([NEBULA, "image", "create", IMAGE, "--path", str(ROOT / paths[0])], environment)
    return IMAGE


def running(environment: Mapping[str, str]) -> str | None:
    """The VM's address once it is RUNNING."""
    vm = ask([NEBULA, "vm", "show", VM, "-f", "json"], environment)
    if vm is None or _value(vm, "state") != "RUNNING":
        return None
    return address(vm)


def address(shown: Any) -> str | None:
    """The first IPv4 address that `vm show -f json` tells, wherever it tells it."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            if key.lower() in {"ip", "address", "ipv4"} and isinstance(value, str) and value.count(".") == 3:
                return value
        return next((found for found in map(address, shown.values()) if found), None)
    if isinstance(shown, list):
        return next((found for found in map(address, shown) if found), None)
    return None


def _value(shown: Any, name: str) -> str:
    found = {key.lower(): value for key, value in shown.items()}.get(name, "") if isinstance(shown, dict) else ""
    return str(found)


def show_running(at: str, home: str, *, own_image: bool) -> None:
    """Let it answer, and say what to do next."""
    print(f"\n{VM} is RUNNING at {at}")
    if own_image:
        answer = wait_for(f"an answer from http://{at}/", lambda: page(f"http://{at}/"), ANSWER_SECONDS)
        print(f"http://{at}/ answers:\n{answer.strip()}")
    print(f"""
Next:
  export NEBULA_HOME={home}
  {NEBULA} vm list
  {NEBULA} vm show {VM}
  {NEBULA} --help
  scripts/quickstart --clean      takes all of this away""")


def clean(state: Path, environment: Mapping[str, str]) -> None:
    """Take away what a quickstart made, whatever of it is there; the packages and dist/nebula stay."""
    if (state / "home").exists() and Path(NEBULA).exists():
        for argv in (
            ["vm", "terminate", VM, "--hard"],
            ["network", "remove", NETWORK],
            ["image", "remove", IMAGE],
            ["host", "remove", HOST],
        ):
            attempt([NEBULA, *argv], environment)
    libvirtd.stop_own(state)
    shutil.rmtree(state, ignore_errors=True)
    print("all gone")


def attempt(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run it; what it says when there is nothing to remove is shown and no failure."""
    try:
        show(argv, environment)
    except QuickstartError as error:
        print(f"quickstart: {error}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quickstart", description=sys.modules["__main__"].__doc__)
    parser.add_argument(
        "--image", default="", metavar="NAME", help="an image of the catalogue, such as debian-13 (a small one)"
    )
    parser.add_argument("--memory", default="", metavar="SIZE", help="the VM's memory (128M, or 1G for the catalogue's)")
    parser.add_argument(
        "--home",
        default="/var/lib/nebula-quickstart",
        metavar="DIR",
        help="where all of it is kept (/var/lib/nebula-quickstart)",
    )
    parser.add_argument("--no-build", dest="build", action="store_false", help="take dist/nebula as it is")
    parser.add_argument("--clean", action="store_true", help="take all of it away")
    return parser
