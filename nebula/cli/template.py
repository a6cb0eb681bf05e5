"""From the options of `vm create` and a YAML file to an OpenNebula template: upper-case keys, sizes in MiB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula.cli.verbs.common import assignments
from nebula.errors import NotFoundError, UsageError
from nebula.names import check_name
from nebula.units import MIB, format_cpu, parse_cpu, parse_mib, parse_size

if TYPE_CHECKING:
    from nebula.cli.invocation import Invocation

Template = dict[str, Any]
_SPELLINGS = {"CPUS": "VCPU", "VCPUS": "VCPU", "DISKS": "DISK", "NICS": "NIC", "NETWORKS": "NIC", "NETWORK": "NIC"}
_LARGEST_FILE = 256 * 1024
"""Bytes of user data, a script or a key."""


def from_line(line: Invocation, file: Mapping[str, Any] | None) -> Template:
    """The whole template; what was typed wins over the file."""
    template = regular(file or {})
    template |= assignments(line.texts("set"))
    _sizes(template, line)
    _disks(template, line)
    cards = [card(word) for word in line.texts("network")]
    if cards:
        template["NIC"] = [*_listed(template.get("NIC")), *cards]
    _context(template, line)
    template.setdefault("GRAPHICS", {"TYPE": "VNC", "LISTEN": "127.0.0.1"})
    for key, name in (("requirements", "SCHED_REQUIREMENTS"), ("host", "HOST")):
        if line.text(key):
            template[name] = line.text(key)
    if line.flag("autostart"):
        template["AUTOSTART"] = "YES"
    return template


def regular(file: Mapping[str, Any]) -> Template:
    """A file's mapping with upper-case keys at every level and sizes as numbers of MiB."""
    template = {_SPELLINGS.get(key, key): value for key, value in _upper(file).items()}
    if "MEMORY" in template:
        template["MEMORY"] = parse_mib(str(template["MEMORY"]))
    if "IMAGE" in template:
        template["DISK"] = [{"IMAGE": template.pop("IMAGE")}, *_listed(template.get("DISK"))]
    if "DISK" in template:
        template["DISK"] = [_disk(_group("DISK", disk, "IMAGE")) for disk in _listed(template["DISK"])]
    if "NIC" in template:
        template["NIC"] = [_group("NIC", nic, "NETWORK") for nic in _listed(template["NIC"])]
    return template


def _upper(value: Mapping[str, Any]) -> Template:
    found: Template = {}
    for key, item in value.items():
        name = key.upper().replace("-", "_")
        if isinstance(item, Mapping):
            found[name] = _upper(item)
        elif isinstance(item, list):
            found[name] = [_upper(entry) if isinstance(entry, Mapping) else entry for entry in item]
        else:
            found[name] = item
    return found


def _listed(value: Any) -> list[Any]:
    return [] if value in (None, "") else value if isinstance(value, list) else [value]


def _group(name: str, value: Any, main: str) -> Template:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return {main: value}
    raise UsageError(
        f"{name} must be a name or a group of values", hint=f"write it like {name.lower()}: [{{{main.lower()}: lan}}]"
    )


def _sizes(template: Template, line: Invocation) -> None:
    if line.text("memory"):
        template["MEMORY"] = parse_mib(line.text("memory"))
    if line.has("cpus"):
        template["VCPU"] = line.number("cpus", least=1, most=4096)
    if line.text("cpu"):
        template["CPU"] = format_cpu(parse_cpu(line.text("cpu")))
    template.setdefault("VCPU", 1)
    template.setdefault("CPU", str(template["VCPU"]))
    if "MEMORY" not in template:
        raise UsageError("the VM has no memory yet", hint="add --memory 2G")


def _disks(template: Template, line: Invocation) -> None:
    disks = _listed(template.get("DISK"))
    if line.text("image"):
        disks = [{"IMAGE": line.text("image")}, *disks]
    if line.text("size"):
        if not disks:
            raise UsageError("--size is that of the first disk, and there is none", hint="add --image, or --disk size=10G")
        disks[0] = {**disks[0], "SIZE": _mib(line.text("size"))}
    disks += [_disk(pairs(word, "--disk", "size=10G or image=NAME")) for word in line.texts("disk")]
    if not disks:
        raise UsageError("the VM has no disk yet", hint="add --image IMAGE or --disk size=10G; nebula image list shows images")
    template["DISK"] = disks


def _disk(disk: Template) -> Template:
    if "SIZE" not in disk:
        return disk
    found = {**disk, "SIZE": _mib(str(disk["SIZE"]))}
    return found if "IMAGE" in found or "IMAGE_ID" in found else {"TYPE": "fs", **found}


def _mib(text: str) -> int:
    size = parse_size(text, unit="M", what="size of a disk")
    if size < MIB:
        raise UsageError(f"a disk of {text!r} is smaller than 1 MiB", hint="write it like 10G")
    return -(-size // MIB)


def card(word: str) -> Template:
    """A network card from NET or NET:ip=10.0.0.9,model=virtio."""
    network, separator, rest = word.partition(":")
    found: Template = {"NETWORK": check_name("network", network)} if not network.isdigit() else {"NETWORK_ID": network}
    return found | (pairs(rest, "--network", "lan:ip=10.0.0.9") if separator else {})


def pairs(text: str, option: str, example: str) -> Template:
    """key=value,key=value as upper-case attributes."""
    found: Template = {}
    for word in text.split(","):
        key, separator, value = word.partition("=")
        if not separator or not value or not key.replace("_", "").isalnum():
            raise UsageError(f"{option}: {word[:60]!r} is not KEY=VALUE", hint=f"write it like {option} {example}")
        found[key.upper()] = value
    return found


def _context(template: Template, line: Invocation) -> None:
    given = template.get("CONTEXT")
    context: Template = dict(given) if isinstance(given, Mapping) else {}
    if template.get("NIC"):
        context.setdefault("NETWORK", "YES")
    keys = [text_of(name, "--ssh-key").strip() for name in line.texts("ssh_key")]
    for found in keys:
        check_public_key(found)
    if keys:
        context["SSH_PUBLIC_KEY"] = "\n".join([*str(context.get("SSH_PUBLIC_KEY", "")).splitlines(), *keys])
    for key, name in (("user_data", "USER_DATA"), ("start_script", "START_SCRIPT")):
        if line.text(key):
            context[name] = text_of(line.text(key), f"--{key.replace('_', '-')}")
    if context:
        template["CONTEXT"] = context


def text_of(name: str, option: str) -> str:
    """The text in a file that an option names."""
    try:
        with Path(name).expanduser().open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise NotFoundError(
            f"{option} {name} cannot be read", cause=error.strerror or str(error), hint=f"ls -l {name}"
        ) from error
    if len(raw) > _LARGEST_FILE:
        raise UsageError(f"{option} {name} is larger than {_LARGEST_FILE >> 10} KiB", hint="let a small script fetch the rest")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{option} {name} is not text in UTF-8", cause=str(error), hint=f"file {name}") from error


def check_public_key(text: str) -> None:
    """UsageError for a private key, and for what is no key at all."""
    if "PRIVATE KEY" in text:
        raise UsageError("--ssh-key names a private key", hint="give the public one, its name ends in .pub")
    if not all(line.split(" ")[0].startswith(("ssh-", "ecdsa-", "sk-")) for line in text.splitlines() if line) or not text:
        raise UsageError("--ssh-key names a file without a public key", hint="it begins with ssh-ed25519 or ssh-rsa")
