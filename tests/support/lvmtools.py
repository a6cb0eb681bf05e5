"""What stands in for `lvm` where the kernel has no device mapper: a volume is a file behind a loop device.

It is copied to hosts as the program `lvm`, so it imports nothing of ours. `/run/lvm-NAME.json` on a host says of the group NAME
where its files lie, and which host this is: two hosts that say the same place see one group. What it knows and refuses are the
commands and errors that the driver's scripts use, as LVM has them; real groups are in the tests of machines.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

EXTENT = 4 << 20
REPORTS = {"lvs": "lv", "vgs": "vg"}
FLAGS = {"-L", "-V", "-n", "-o", "--addtag", "--deltag", "--thinpool", "--units", "--separator", "--reportformat", "--config"}


def main(argv: list[str]) -> None:
    """One command of LVM's."""
    verb, options, words = argv[0], dict[str, str](), list[str]()
    rest = iter(argv[1:])
    for word in rest:
        if word in FLAGS:
            options[word] = next(rest)
        elif word.startswith("-"):
            options[word] = ""
        else:
            words.append(word)
    group = words[0].partition("/")[0]
    with opened(group) as place:
        VERBS[verb](place, options, words)
    strike()


def strike() -> None:
    """The script that asked ends as by a crash of its host, after as many commands as `/run/lvm-kill` says."""
    order = Path("/run/lvm-kill")
    if not order.exists():
        return
    left = int(order.read_text()) - 1
    if left:
        order.write_text(str(left))
        return
    order.unlink()
    asking = os.getppid()
    while b"\0nebula-lvm\0" in Path(f"/proc/{asking}/cmdline").read_bytes():
        above = int(Path(f"/proc/{asking}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(asking, signal.SIGKILL)
        asking = above


class Place:
    """A group as this host sees it."""

    def __init__(self, name: str, told: dict[str, Any], known: dict[str, Any]) -> None:
        self.name, self.host, self.directory, self.size = name, told["host"], Path(told["directory"]), told["size"]
        self.volumes: dict[str, Any] = known

    def volume(self, word: str) -> dict[str, Any]:
        """The volume of `GROUP/NAME` or `NAME`."""
        name = word.rpartition("/")[2]
        if name not in self.volumes:
            fail(f'Failed to find logical volume "{self.name}/{name}"')
        found: dict[str, Any] = self.volumes[name]
        return found

    def device(self, name: str) -> Path:
        """Where it is when it is active here."""
        return Path("/dev", self.name, name)

    @property
    def free(self) -> int:
        """Bytes that no volume has."""
        return int(self.size - sum(volume["size"] for volume in self.volumes.values() if not volume["pool"]))


@contextlib.contextmanager
def opened(group: str) -> Iterator[Place]:
    """The group, while nobody else writes its metadata; what was changed is written whole, or not at all."""
    settings = Path(f"/run/lvm-{group}.json")
    if not settings.exists():
        fail(f'Volume group "{group}" not found')
    told = json.loads(settings.read_text())
    directory = Path(told["directory"])
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        book = directory / "metadata.json"
        known = json.loads(book.read_text()) if book.exists() else {}
        before = json.dumps(known)
        place = Place(group, told, known)
        for link in Path("/dev", group).iterdir():  # what another host removed meanwhile
            if place.host not in known.get(link.name, {"hosts": []})["hosts"]:
                link.unlink()
        yield place
        if json.dumps(known) != before:
            (directory / "metadata.new").write_text(json.dumps(known))
            (directory / "metadata.new").replace(book)


def lvcreate(place: Place, options: dict[str, str], words: list[str]) -> None:
    """Thick (-L), thin (-V), or a snapshot (-s) of a thin one."""
    name = options["-n"]
    if name in place.volumes:
        fail(f'Logical Volume "{name}" already exists in volume group "{place.name}"')
    tags = [options["--addtag"]] if "--addtag" in options else []
    if "-s" in options:
        origin = place.volume(words[0])
        made = {"size": origin["size"], "pool": origin["pool"]}
        copied = ["cp", "--sparse=always", str(place.directory / origin["file"]), str(place.directory / f"{name}.img")]
        subprocess.run(copied, check=True)
    else:
        made = {"size": extents(options.get("-L") or options["-V"]), "pool": options.get("--thinpool", "")}
        if not made["pool"] and made["size"] > place.free:
            fail(f'Volume group "{place.name}" has insufficient free space ({place.free // EXTENT} extents): more required.')
        with (place.directory / f"{name}.img").open("wb") as file:
            file.truncate(made["size"])
    place.volumes[name] = {**made, "tags": tags, "file": f"{name}.img", "loop": "", "hosts": []}
    activate(place, name)


def lvchange(place: Place, options: dict[str, str], words: list[str]) -> None:
    """Active here or not, with a tag more or less."""
    volume, name = place.volume(words[0]), words[0].rpartition("/")[2]
    if "--addtag" in options:
        volume["tags"] = sorted({*volume["tags"], options["--addtag"]})
    if "--deltag" in options:
        volume["tags"] = [tag for tag in volume["tags"] if tag != options["--deltag"]]
    if "-ay" in options:
        activate(place, name)
    if "-an" in options:
        deactivate(place, name)


def lvrename(place: Place, options: dict[str, str], words: list[str]) -> None:
    """GROUP OLD NEW."""
    del options
    _, old, new = words
    place.volume(old)
    if new in place.volumes:
        fail(f'Logical Volume "{new}" already exists in volume group "{place.name}"')
    place.volumes[new] = place.volumes.pop(old)
    if place.host in place.volumes[new]["hosts"]:
        place.device(old).unlink()
        show(place, new)


def lvremove(place: Place, options: dict[str, str], words: list[str]) -> None:
    """One that is open is not."""
    del options
    volume, name = place.volume(words[0]), words[0].rpartition("/")[2]
    deactivate(place, name)
    if volume["loop"]:
        subprocess.run(["losetup", "-d", volume["loop"]], check=True)
    (place.directory / volume["file"]).unlink()
    del place.volumes[name]


def lvextend(place: Place, options: dict[str, str], words: list[str]) -> None:
    """To a size."""
    volume, size = place.volume(words[0]), extents(options["-L"])
    if not volume["pool"] and size - volume["size"] > place.free:
        fail(f"Insufficient free space: {(size - volume['size']) // EXTENT} extents needed, but only fewer available")
    os.truncate(place.directory / volume["file"], size)
    volume["size"] = size
    if volume["loop"]:
        subprocess.run(["losetup", "-c", volume["loop"]], check=True)


def report(place: Place, options: dict[str, str], words: list[str]) -> None:
    """`lvs` as a table or as JSON."""
    del words
    columns = options["-o"].split(",")
    rows = [told(place, name) for name in sorted(place.volumes)]
    chosen = [{column: row.get(column, "") for column in columns} for row in rows]
    if options.get("--reportformat") == "json":
        say(json.dumps({"report": [{"lv": chosen}]}))
        return
    for row in chosen:
        say("  " + options["--separator"].join(row.values()))


def group_report(place: Place, options: dict[str, str], words: list[str]) -> None:
    """`vgs` as JSON."""
    del words, options
    row = {"vg_name": place.name, "vg_size": place.size, "vg_free": place.free, "vg_extent_size": EXTENT}
    told_so = {key: str(value) for key, value in row.items()}
    say(json.dumps({"report": [{"vg": [{**told_so, "vg_lock_type": "", "vg_missing_pv_count": "0"}]}]}))


def told(place: Place, name: str) -> dict[str, str]:
    """A row of `lvs`."""
    volume = place.volumes[name]
    active = place.host in volume["hosts"]
    used = sum(one["size"] for one in place.volumes.values() if one["pool"] == name)
    pool = {"data_percent": f"{min(99.0, 100 * used / volume['size']):.2f}", "metadata_percent": "1.00"} if used else {}
    return {
        "lv_name": name, "lv_size": str(volume["size"]), "pool_lv": volume["pool"], "lv_tags": ",".join(volume["tags"]),
        "lv_active": "active" if active else "", "lv_device_open": "open" if active and is_open(volume["loop"]) else "", **pool,
    }  # fmt: skip


def activate(place: Place, name: str) -> None:
    """It is a block device here."""
    volume = place.volumes[name]
    if not volume["loop"]:
        argv = ["losetup", "--find", "--show", "--nooverlap", str(place.directory / volume["file"])]
        volume["loop"] = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    volume["hosts"] = sorted({*volume["hosts"], place.host})
    show(place, name)


def deactivate(place: Place, name: str) -> None:
    """It is none any more; refused while somebody has it open."""
    volume = place.volumes[name]
    if place.host not in volume["hosts"]:
        return
    if is_open(volume["loop"]):
        fail(f"Logical volume {place.name}/{name} in use.")
    place.device(name).unlink()
    volume["hosts"] = [host for host in volume["hosts"] if host != place.host]
    if not volume["hosts"]:
        subprocess.run(["losetup", "-d", volume["loop"]], check=True)
        volume["loop"] = ""


def show(place: Place, name: str) -> None:
    """Its name in /dev."""
    link = place.device(name)
    link.unlink(missing_ok=True)
    link.symlink_to(place.volumes[name]["loop"])


def is_open(device: str) -> bool:
    """Whether a process of this host has it open."""
    number = Path(device).stat().st_rdev
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if descriptor.stat().st_rdev == number:
                return True
    return False


def extents(words: str) -> int:
    """A size in sectors (`8s`) or MiB (`8M`), as whole extents."""
    size = int(words[:-1]) * {"s": 512, "M": 1 << 20}[words[-1]]
    return -(-size // EXTENT) * EXTENT


def say(words: str) -> None:
    """A line of a report."""
    sys.stdout.write(f"{words}\n")


def fail(words: str) -> NoReturn:
    """As LVM says that it refuses."""
    sys.stderr.write(f"  {words}\n")
    raise SystemExit(5)


VERBS = {
    "lvcreate": lvcreate, "lvchange": lvchange, "lvrename": lvrename, "lvremove": lvremove, "lvextend": lvextend,
    "lvs": report, "vgs": group_report, "vgmknodes": lambda *_: None,
}  # fmt: skip

if __name__ == "__main__":
    main(sys.argv[1:])
