"""vm create's options become an OpenNebula template."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.cli.fastparse import parse
from nebula.cli.invocation import Invocation
from nebula.cli.template import device, from_line
from nebula.cli.verbs.vm_create import names, templates
from nebula.errors import NebulaError, UsageError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO7o8z0cYVtBBYQGVHgRc9pkQnUDMUEJyH5nOZPp6xNq me@home"


def line(*words: str) -> Invocation:
    """A parsed `vm create`."""
    found = parse(["vm", "create", *words])
    assert found is not None
    return found


def test_the_whole_template(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY + "\n")
    (tmp_path / "start.sh").write_text("#!/bin/sh\necho hello\n")
    made = from_line(
        line(
            *("web", "--image", "debian-12", "--memory", "2G", "--cpus", "2", "--cpu", "0.5", "--size", "20G"),
            *(
                "--network",
                "lan",
                "--network",
                "3:ip=10.0.0.9,model=e1000",
                "--disk",
                "size=10G,format=raw",
                "--disk",
                "image=data",
            ),
            *("--ssh-key", str(tmp_path / "key.pub"), "--start-script", str(tmp_path / "start.sh"), "--host", "a1"),
            *("--requirements", 'CLUSTER = "lab"', "--autostart", "--set", "colour=blue"),
        ),
        {},
    )
    assert made == {
        "CPU": "0.5",
        "VCPU": 2,
        "MEMORY": 2048,
        "DISK": [
            {"IMAGE": "debian-12", "SIZE": 20480},
            {"TYPE": "fs", "SIZE": 10240, "FORMAT": "raw"},
            {"IMAGE": "data"},
        ],
        "NIC": [{"NETWORK": "lan"}, {"NETWORK_ID": "3", "IP": "10.0.0.9", "MODEL": "e1000"}],
        "CONTEXT": {"NETWORK": "YES", "SSH_PUBLIC_KEY": KEY, "START_SCRIPT": "#!/bin/sh\necho hello\n"},
        "GRAPHICS": {"TYPE": "VNC", "LISTEN": "127.0.0.1"},
        "SCHED_REQUIREMENTS": 'CLUSTER = "lab"',
        "HOST": "a1",
        "AUTOSTART": "YES",
        "COLOUR": "blue",
    }


def test_options_win_over_the_file() -> None:
    file = {"name": "a", "memory": "1G", "disk": {"image": "x"}, "graphics": {"type": "SPICE"}}
    made = from_line(line("--memory", "4096"), file)
    assert (made["MEMORY"], made["NAME"], made["GRAPHICS"]) == (4096, "a", {"TYPE": "SPICE"})
    assert made["DISK"] == [{"IMAGE": "x"}]


def test_a_disk_is_its_size_or_its_parts() -> None:
    words = ("--memory", "1G", "--image", "x", "--disk", "10G", "--disk", "1.5T,format=raw", "--disk", "image=data")
    made = from_line(line("a", *words), {"disk": ["20G", "old", {"image": "other"}]})
    assert made["DISK"] == [
        {"IMAGE": "x"},
        {"TYPE": "fs", "SIZE": 20480},
        {"IMAGE": "old"},
        {"IMAGE": "other"},
        {"TYPE": "fs", "SIZE": 10240},
        {"TYPE": "fs", "SIZE": 1536 * 1024, "FORMAT": "raw"},
        {"IMAGE": "data"},
    ]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("10de:1db6", {"VENDOR": "10de", "DEVICE": "1db6"}),
        ("10de::0302", {"VENDOR": "10de", "CLASS": "0302"}),
        ("0000:3b:00.0", {"SHORT_ADDRESS": "0000:3b:00.0"}),
    ],
)
def test_a_device_is_what_it_must_be_or_where_it_is(word: str, found: dict[str, str]) -> None:
    assert device(word) == found


def test_keys_come_as_files_or_as_themselves(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f'# two of them\n\n{KEY}\r\nfrom="10.0.0.1" {KEY}\n')
    made = from_line(line("a", "--memory", "1G", "--image", "x", "--ssh-key", str(tmp_path / "keys"), "--ssh-key", KEY), {})
    assert made["CONTEXT"]["SSH_PUBLIC_KEY"].splitlines() == [KEY, f'from="10.0.0.1" {KEY}', KEY]


@pytest.mark.parametrize("key", [KEY.replace("nOZPp6xNq me", "nOZPp6x! me"), KEY.replace("ssh-ed25519", "ssh-rsa"), KEY[:30]])
def test_a_damaged_key_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "key.pub").write_text(key)
    with pytest.raises(UsageError, match="holds no public key"):
        from_line(line("a", "--memory", "1G", "--image", "x", "--ssh-key", str(tmp_path / "key.pub")), {})


def test_values_for_the_guest() -> None:
    made = from_line(line("a", "--memory", "1G", "--image", "x", "--context", "token=a=b"), {"context": {"Role": "web"}})
    assert made["CONTEXT"] == {"ROLE": "web", "TOKEN": "a=b"}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"memory": "1G", "Memory": "2G"}, "MEMORY is in the file twice"),
        ({"memory": "1G", "cpus": "2", "vcpu": "2"}, "VCPU is in the file twice"),
        ({"memory": ["1G"]}, "MEMORY must be one value, not a list"),
        ({"memory": {"a": "b"}}, "MEMORY must be one value, not a group"),
        ({"memory": "1G", "image": ["a", "b"]}, "IMAGE must be one value, not a list"),
        ({"memory": "1G", "disk": {"size": ["1G"]}}, "DISK/SIZE must be one value, not a list"),
        ({"memory": "1G", "nic": [["lan"]]}, "NIC must be a name or a group"),
    ],
)
def test_a_file_of_the_wrong_shape(file: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_line(line("a", "--image", "x"), file)
    assert caught.value.message.startswith(said)
    assert caught.value.hint


def test_cpu_follows_the_number_of_cpus() -> None:
    made = from_line(line("a", "--memory", "1G", "--image", "x", "--cpus", "4"), {})
    assert (made["CPU"], made["VCPU"]) == ("4", 4)


@pytest.mark.parametrize(
    "words",
    [
        ["a", "--image", "x"],
        ["a", "--memory", "1G"],
        ["a", "--memory", "lots", "--image", "x"],
        ["a", "--memory", "1G", "--image", "x", "--cpus", "0"],
        ["a", "--memory", "1G", "--image", "x", "--cpu", "-1"],
        ["a", "--memory", "1G", "--image", "x", "--network", "lan:ip"],
        ["a", "--memory", "1G", "--image", "x", "--network", "$(id)"],
        ["a", "--memory", "1G", "--image", "x", "--disk", "10"],
        ["a", "--memory", "1G", "--image", "x", "--disk", "10G,format"],
        ["a", "--memory", "1G", "--image", "x", "--context", "token"],
        ["a", "--memory", "1G", "--image", "x", "--ssh-key", "ssh-ed25519 AAAA me@home"],
        ["a", "--memory", "1G", "--image", "x", "--ssh-key", "/dev/null"],
        ["a", "--memory", "1G", "--image", "x", "--set", "colour"],
        ["a", "--memory", "1G", "--size", "10G"],
        ["a", "--memory", "1G", "--image", "x", "--ssh-key", "/nowhere.pub"],
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(words: list[str]) -> None:
    with pytest.raises(NebulaError) as caught:
        from_line(line(*words), {})
    assert caught.value.exit_status in {2, 3}
    assert caught.value.hint


def test_a_private_key_is_never_sent(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    with pytest.raises(UsageError, match="private") as caught:
        from_line(line("a", "--memory", "1G", "--image", "x", "--ssh-key", str(tmp_path / "key")), {})
    assert "abc" not in str(caught.value)


def test_names_are_numbered_with_count() -> None:
    assert names(line("web", "-n", "3"), {}) == ["web-0", "web-1", "web-2"]
    assert names(line("web"), {}) == ["web"]
    assert names(line(), {"NAME": "filed"}) == ["filed"]
    assert names(line("db%i.lan", "-n", "2"), {}) == ["db0.lan", "db1.lan"]
    for words in ([], ["we'b"], ["web", "-n", "0"], ["web", "-n", "1001"]):
        with pytest.raises(UsageError):
            names(line(*words), {})


def test_a_file_of_several() -> None:
    first, second = {"name": "a", "memory": "1G", "image": "x"}, {"name": "b", "memory": "2G", "image": "x"}
    found = templates(line("--cpus", "2"), [first, second])
    assert {name: (made["NAME"], made["MEMORY"], made["VCPU"]) for name, made in found.items()} == {
        "a": ("a", 1024, 2),
        "b": ("b", 2048, 2),
    }
    for words, other in ((["web"], second), (["-n", "2"], second), ([], first)):
        with pytest.raises(UsageError) as caught:
            templates(line(*words), [first, other])
        assert caught.value.hint
