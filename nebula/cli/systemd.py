"""The systemd unit that runs the engine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from nebula.errors import CommandError, DeniedError, NebulaError, UsageError

UNIT = Path("/etc/systemd/system/nebula.service")
SYSTEM_HOME = "/var/lib/nebula"
_TEMPLATE = """\
[Unit]
Description=Nebula, manager of virtual machines
Wants=network-online.target
After=network-online.target libvirtd.service virtqemud.socket

[Service]
Type=notify
ExecStart={command}
Environment=NEBULA_HOME={home}
Restart=on-failure
RestartSec=2
TimeoutStopSec=120
WatchdogSec=120
KillMode=mixed
{writable}RuntimeDirectory=nebula
RuntimeDirectoryMode=0755
UMask=0077
LimitNOFILE=65536
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
"""Not stricter, because the engine's own machine may be a host: it makes bridges, writes sysctls, and its children
(qemu-img, rsync, dnsmasq) work on files and devices."""


def unit(command: list[str], home: str) -> str:
    """The unit's text. UsageError for a home that the unit cannot name."""
    if not home.startswith("/") or any(sign in home for sign in "\"'%\n\\ $"):
        raise UsageError(f"{home!r} cannot stand in a systemd unit", hint=f"use --home {SYSTEM_HOME}")
    writable = "StateDirectory=nebula\nStateDirectoryMode=0755\n" if home == SYSTEM_HOME else ""
    return _TEMPLATE.format(command=" ".join(_quoted(word) for word in command), home=home, writable=writable)


def program() -> list[str]:
    """How this program is started, whole paths only."""
    started = Path(sys.argv[0]).resolve()
    if started.name == "__main__.py" or not started.is_file():
        return [sys.executable, "-m", "nebula"]
    return [str(started)]


def install(text: str) -> None:
    """Write the unit, enable it and start it. DeniedError without root, CommandError if systemd refuses."""
    _need_systemd()
    try:
        UNIT.write_text(text)
        UNIT.chmod(0o644)
    except PermissionError as error:
        raise DeniedError(f"{UNIT} cannot be written", cause=str(error), hint="sudo nebula daemon install") from error
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", UNIT.name)


def uninstall() -> bool:
    """Stop the unit and remove it; False if there was none."""
    if not UNIT.exists():
        return False
    _need_systemd()
    _systemctl("disable", "--now", UNIT.name)
    try:
        UNIT.unlink()
    except PermissionError as error:
        raise DeniedError(f"{UNIT} cannot be removed", cause=str(error), hint="sudo nebula daemon uninstall") from error
    _systemctl("daemon-reload")
    return True


def _need_systemd() -> None:
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        raise NebulaError("systemd does not run on this machine", hint="run the engine yourself: nebula --daemon")


def _systemctl(*words: str) -> None:
    argv = ["systemctl", *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise CommandError("localhost", argv, done.returncode, done.stderr, hint="journalctl -u nebula -n 30")


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or " " in word else word
