"""From the options of `vm create` and a YAML file to an OpenNebula template: upper-case keys, sizes in MiB."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nebula.attributes import complete, single
from nebula.cli.textfile import read_text
from nebula.cli.verbs.common import assignments
from nebula.errors import NotFoundError, UsageError
from nebula.names import check_name
from nebula.units import MIB, can_be_size, format_cpu, parse_cpu, parse_mib, parse_size

if TYPE_CHECKING:
    from nebula.cli.invocation import Invocation

Template = dict[str, Any]
_SPELLINGS = {
    "CPUS": "VCPU",
    "VCPUS": "VCPU",
    "DISKS": "DISK",
    "NICS": "NIC",
    "NETWORKS": "NIC",
    "NETWORK": "NIC",
    "ALIASES": "NIC_ALIAS",
}
_LARGEST_FILE = 256 * 1024
"""Bytes of user data, a script or a key."""


def from_line(line: Invocation, file: Mapping[str, Any]) -> Template:
    """The whole template; what was typed wins over the file."""
    template = regular(file)
    template |= assignments(line.texts("set"))
    _sizes(template, line)
    _disks(template, line)
    cards = [card(word) for word in line.texts("network")]
    if cards:
        template["NIC"] = [*_listed(template.get("NIC")), *cards]
    _context(template, line)
    _hardware(template, line)
    _wishes(template, line)
    return complete(template)


def regular(file: Mapping[str, Any]) -> Template:
    """A file's mapping with upper-case keys at every level and sizes as numbers of MiB."""
    template = _named(_upper(file), _SPELLINGS)
    if "MEMORY" in template:
        template["MEMORY"] = parse_mib(str(single("MEMORY", template["MEMORY"])))
    if "IMAGE" in template:
        template["DISK"] = [{"IMAGE": single("IMAGE", template.pop("IMAGE"))}, *_listed(template.get("DISK"))]
    if "DISK" in template:
        template["DISK"] = [_disk(_group("DISK", disk, "IMAGE")) for disk in _listed(template["DISK"])]
    if "NIC" in template:
        template["NIC"] = [_group("NIC", nic, "NETWORK") for nic in _listed(template["NIC"])]
    return template


def _upper(value: Mapping[str, Any]) -> Template:
    upper = {key: _deeper(item) for key, item in value.items()}
    return _named(upper, {key: key.upper().replace("-", "_") for key in value})


def _deeper(item: Any) -> Any:
    if isinstance(item, Mapping):
        return _upper(item)
    return [_deeper(entry) for entry in item] if isinstance(item, list) else item


def _named(value: Mapping[str, Any], names: Mapping[str, str]) -> Template:
    """The same under other keys; UsageError where two keys mean the same."""
    found: Template = {}
    for key, item in value.items():
        name = names.get(key, key)
        if name in found:
            raise UsageError(f"{name} is in the file twice", cause=f"{key} is another spelling of it", hint="leave one out")
        found[name] = item
    return found


def _listed(value: Any) -> list[Any]:
    return [] if value in (None, "") else value if isinstance(value, list) else [value]


def _group(name: str, value: Any, main: str) -> Template:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return {"SIZE": value} if name == "DISK" and is_size(value) else {main: value}
    raise UsageError(
        f"{name} must be a name or a group of values", hint=f"write it like {name.lower()}: [{{{main.lower()}: lan}}]"
    )


def typed(line: Invocation) -> Template:
    """What the options say for a template that has the rest: a list of disks or cards in the place of its own, keys of
    CONTEXT beside those it has.
    """
    template: Template = dict(assignments(line.texts("set")))
    _amounts(template, line)
    disks = [{"IMAGE": line.text("image")}] if line.text("image") else []
    if line.text("size"):
        if not disks:
            raise UsageError("--size is that of --image, and there is none", hint="add --image, or --disk size=10G")
        disks[0]["SIZE"] = str(mib(line.text("size")))
    disks += [_disk(_typed_disk(word)) for word in line.texts("disk")]
    for name, items in (("DISK", disks), ("NIC", [card(word) for word in line.texts("network")])):
        if items:
            template[name] = items
    _typed_context(template, line)
    _hardware(template, line)
    _wishes(template, line)
    return template


def _wishes(template: Template, line: Invocation) -> None:
    for key, name in (("requirements", "SCHED_REQUIREMENTS"), ("host", "HOST"), ("group", "VMGROUP")):
        if line.text(key):
            template[name] = line.text(key)
    if line.flag("autostart"):
        template["AUTOSTART"] = "YES"


def _sizes(template: Template, line: Invocation) -> None:
    _amounts(template, line)
    template.setdefault("VCPU", 1)
    template.setdefault("CPU", str(template["VCPU"]))
    if "MEMORY" not in template:
        raise UsageError("the VM has no memory yet", hint="add --memory 2G")


def _amounts(template: Template, line: Invocation) -> None:
    if line.text("memory"):
        template["MEMORY"] = parse_mib(line.text("memory"))
    if line.has("cpus"):
        template["VCPU"] = line.number("cpus", least=1, most=4096)
    if line.text("cpu"):
        template["CPU"] = format_cpu(parse_cpu(line.text("cpu")))


def _disks(template: Template, line: Invocation) -> None:
    disks = _listed(template.get("DISK"))
    if line.text("image"):
        disks = [{"IMAGE": line.text("image")}, *disks]
    if line.text("size"):
        if not disks:
            raise UsageError("--size is that of the first disk, and there is none", hint="add --image, or --disk size=10G")
        disks[0] = {**disks[0], "SIZE": mib(line.text("size"))}
    disks += [_disk(_typed_disk(word)) for word in line.texts("disk")]
    if not disks:
        raise UsageError("the VM has no disk yet", hint="add --image IMAGE or --disk size=10G; nebula image list shows images")
    template["DISK"] = disks


def _hardware(template: Template, line: Invocation) -> None:
    system = {"MACHINE": line.text("machine"), "BOOT": line.text("boot")}
    if line.flag("uefi") or line.flag("secure_boot"):
        system |= {"FIRMWARE": "UEFI", "FIRMWARE_SECURE": "YES" if line.flag("secure_boot") else ""}
    typed = {
        "OS": system,
        "CPU_MODEL": {"MODEL": line.text("cpu_model")},
        "GRAPHICS": {"TYPE": line.text("graphics")},
        "TPM": {"MODEL": "tpm-crb" if line.flag("tpm") else ""},
    }
    for name, values in typed.items():
        given = template.get(name)
        found = {key: value for key, value in values.items() if value}
        if found:
            template[name] = {**(given if isinstance(given, Mapping) else {}), **found}
    devices = [device(word, "--pci: ") for word in line.texts("pci")]
    if devices:
        template["PCI"] = [*_listed(template.get("PCI")), *devices]


def device(word: str, option: str = "") -> Template:
    """A PCI device from vendor:device:class, of which some may be left out, or from its address 3b:00.0."""
    if "." in word:
        return {"SHORT_ADDRESS": word}
    said = word.split(":")
    if not 2 <= len(said) <= 3:
        raise UsageError(f"{option}{word[:60]!r} is no PCI device", hint="write it like 10de:1db6, or its address: 3b:00.0")
    return {name: digits for name, digits in zip(("VENDOR", "DEVICE", "CLASS"), said, strict=False) if digits}


def disk(word: str) -> Template:
    """A disk from 10G, size=10G,format=raw or image=NAME."""
    return _disk(_typed_disk(word))


def _typed_disk(word: str) -> Template:
    """A disk from 10G, or from size=10G,format=raw."""
    first, separator, rest = word.partition(",")
    if not is_size(first):
        return pairs(word, "--disk", "10G, --disk size=10G,format=raw or --disk image=NAME")
    return {"SIZE": first} | (pairs(rest, "--disk", "10G,format=raw") if separator else {})


def is_size(text: str) -> bool:
    """Whether a text says a size by its unit: 10G; a bare number may be an id."""
    return text[:1].isdigit() and text[-1:].isalpha() and can_be_size(text)


def _disk(disk: Template) -> Template:
    if "SIZE" not in disk:
        return disk
    found = {**disk, "SIZE": mib(str(single("DISK/SIZE", disk["SIZE"])))}
    return found if "IMAGE" in found or "IMAGE_ID" in found else {"TYPE": "fs", **found}


def mib(text: str) -> int:
    """A disk's size in MiB, as people type it."""
    size = parse_size(text, unit="M", what="size of a disk")
    if size < MIB:
        raise UsageError(f"a disk of {text!r} is smaller than 1 MiB", hint="write it like 10G")
    return -(-size // MIB)


def card(word: str) -> Template:
    """A network card from NET or NET:ip=10.0.0.9,model=virtio; security_groups=web/ssh names several."""
    network, separator, rest = word.partition(":")
    found: Template = (
        {"NETWORK": check_name("network", network)}
        if not (network.isascii() and network.isdigit())
        else {"NETWORK_ID": network}
    )
    said = pairs(rest, "--network", "lan:ip=10.0.0.9") if separator else {}
    if "SECURITY_GROUPS" in said:
        said["SECURITY_GROUPS"] = said["SECURITY_GROUPS"].replace("/", ",")
    return found | said


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
    template["CONTEXT"] = dict(given) if isinstance(given, Mapping) else {}
    _typed_context(template, line)
    if not template["CONTEXT"]:
        del template["CONTEXT"]


def _typed_context(template: Template, line: Invocation) -> None:
    context = typed_context(line, template.get("CONTEXT") or {})
    if context:
        template["CONTEXT"] = context


def typed_context(line: Invocation, given: Mapping[str, Any] = MappingProxyType({})) -> Template:
    """What the line's options say to the guest, beside what was `given`."""
    context: Template = dict(given)
    context |= assignments(line.texts("context"), "--context")
    keys = [key for word in line.texts("ssh_key") for key in _keys(word)]
    if keys:
        context["SSH_PUBLIC_KEY"] = "\n".join([*str(context.get("SSH_PUBLIC_KEY", "")).splitlines(), *keys])
    for key, name in (("user_data", "USER_DATA"), ("start_script", "START_SCRIPT")):
        if line.text(key):
            context[name] = text_of(line.text(key), f"--{key.replace('_', '-')}")
    return context


def _keys(word: str) -> list[str]:
    """The keys that an --ssh-key means: those in the file of that name, or the word itself."""
    from nebula.cli.publickeys import is_key, public_keys

    if is_key(word):
        return public_keys(word, "")
    try:
        return public_keys(text_of(word, "--ssh-key"), word)
    except NotFoundError as error:
        error.hint = "ssh-keygen -t ed25519 makes a pair of keys"
        raise


def text_of(name: str, option: str) -> str:
    """The text in a file that an option names."""
    return read_text(name, f"{option} {name}", largest=_LARGEST_FILE, hint="let a small script fetch the rest")
