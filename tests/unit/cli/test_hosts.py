"""Host keys, reserved capacity, ranges of addresses, the systemd unit, ssh's command line."""

from __future__ import annotations

import io
import json
from typing import cast

import pytest

from nebula.cli import systemd
from nebula.cli.context import Connect, Context
from nebula.cli.fastparse import parse
from nebula.cli.invocation import Invocation
from nebula.cli.objects import Target
from nebula.cli.options import GlobalOptions
from nebula.cli.verbs import host_add
from nebula.cli.verbs.network import range_of, spec_of
from nebula.cli.verbs.vm_access import ssh_argv
from nebula.engine.api.values import HostKeyOffer
from nebula.errors import HostKeyError, NotFoundError, UnreachableError, UsageError

from .conftest import Cli, InProcess

RSA = HostKeyOffer(type="ssh-rsa", line="ssh-rsa AAAA", fingerprint="SHA256:rrrr")
ED = HostKeyOffer(type="ssh-ed25519", line="ssh-ed25519 AAAA", fingerprint="SHA256:eeee")


def line(*words: str) -> Invocation:
    """A parsed line."""
    found = parse(words)
    assert found is not None
    return found


def choose(*words: str, offers: tuple[HostKeyOffer, ...] = (RSA, ED)) -> HostKeyOffer:
    """The key that `host add` pins."""
    context = Context(GlobalOptions(), cast("Connect", None), err=io.StringIO(), environ={})
    typed = line("host", "add", "a1", "--address", "10.0.0.11", *words)
    return host_add.chosen(context, typed, offers, "10.0.0.11", 22, again=host_add.again(typed))


def test_the_key_of_the_fingerprint_is_pinned() -> None:
    assert choose("--fingerprint", "SHA256:rrrr") == RSA
    assert choose("--fingerprint", "eeee=") == ED
    assert choose("--accept-new-key") == ED


def test_another_key_or_nobody_to_ask_is_an_error_with_the_fingerprint() -> None:
    with pytest.raises(HostKeyError, match="SHA256:xxxx") as caught:
        choose("--fingerprint", "SHA256:xxxx")
    assert "SHA256:eeee" in caught.value.cause
    with pytest.raises(UsageError, match="compare") as asked:
        choose()
    assert asked.value.hint == "nebula host add a1 --address 10.0.0.11 --fingerprint SHA256:eeee"
    with pytest.raises(UsageError) as other:
        choose("--port", "2222")
    assert other.value.hint == "nebula host add a1 --address 10.0.0.11 --port 2222 --fingerprint SHA256:eeee"
    with pytest.raises(UnreachableError):
        choose(offers=())


@pytest.mark.parametrize(
    ("text", "left"), [("2", 14.0), ("0.5", 15.5), ("-1", 17.0), ("10%", 14.4), ("-50%", 24.0), ("0", 16.0)]
)
def test_reserved_cpu(cli: Cli, text: str, left: float) -> None:
    assert cli("host", "update", "host-2", "--reserved-cpu", text).status == 0
    shown = json.loads(cli("host", "show", "host-2", "-f", "json").out)
    assert (shown["reserved"]["cpu"], shown["cpu"]["max"]) == (text, left)


@pytest.mark.parametrize(
    ("option", "text"),
    [("--reserved-cpu", "2G"), ("--reserved-cpu", "x%"), ("--reserved-memory", "lots"), ("--reserved-memory", "120%")],
)
def test_what_cannot_be_reserved(cli: Cli, option: str, text: str) -> None:
    before = cli("host", "show", "host-1", "-f", "json").out
    refused = cli("host", "update", "host-1", option, text)
    assert (refused.status, refused.out) == (2, "")
    said = [line.split(":")[0] for line in refused.err.splitlines()]
    assert (said[0], said.count("error"), said[-1]) == ("error", 1, "hint")
    kept = json.loads(before)["reserved"], json.loads(before)["memory_mib"]["max"]
    after = json.loads(cli("host", "show", "host-1", "-f", "json").out)
    assert (after["reserved"], after["memory_mib"]["max"]) == kept


@pytest.mark.parametrize(
    ("word", "spec"),
    [
        ("10.0.0.10-10.0.0.50", {"IP": "10.0.0.10-10.0.0.50"}),
        ("10.0.0.10+100", {"IP": "10.0.0.10+100"}),
        ("100", {"SIZE": "100"}),
        ("2001:db8::10+20", {"IP6": "2001:db8::10", "SIZE": "20"}),
        ("02:00:00:00:00:10+20", {"MAC": "02:00:00:00:00:10", "SIZE": "20"}),
    ],
)
def test_ranges(word: str, spec: dict[str, str]) -> None:
    assert range_of(word) == spec


@pytest.mark.parametrize("word", ["", "lan", "10.0.0.1;reboot", "1" * 101])
def test_what_is_no_range(word: str) -> None:
    with pytest.raises(UsageError):
        range_of(word)


def test_a_network_is_either_natted_or_on_a_bridge_of_the_hosts() -> None:
    with pytest.raises(UsageError, match="--nat"):
        spec_of(line("network", "create", "lan", "--nat", "--bridge", "br0"))
    made = spec_of(
        line("network", "create", "lan", "--nat", "--gateway", "10.0.0.1", "--prefix", "16", "--dns", "9.9.9.9,1.1.1.1")
    )
    assert made == {
        "name": "lan", "nat": True, "gateway": "10.0.0.1", "prefix_length": 16, "dns": ["9.9.9.9", "1.1.1.1"], "ranges": [],
    }  # fmt: skip


def test_the_unit_runs_the_daemon_and_quotes_what_it_must() -> None:
    text = systemd.unit(["/opt/my nebula", "--daemon"], "/var/lib/nebula")
    assert 'ExecStart="/opt/my nebula" --daemon\n' in text
    assert "Type=notify\n" in text
    assert "StateDirectory=nebula\n" in text
    assert "StateDirectory" not in systemd.unit(["/usr/bin/nebula"], "/srv/home")
    for home in ("relative", "/a b", "/a\nExecStart=/bin/sh", "/a%h"):
        with pytest.raises(UsageError):
            systemd.unit(["/usr/bin/nebula"], home)


def test_print_only_shows_the_unit(cli: Cli) -> None:
    result = cli("--home", "/srv/nebula", "daemon", "install", "--print")
    assert result.status == 0
    assert "Environment=NEBULA_HOME=/srv/nebula\n" in result.out


def test_ssh_goes_to_the_first_address_as_the_images_user(connect: InProcess) -> None:
    target = Target("1", "web-1")
    argv = ssh_argv(line("vm", "ssh", "web-1", "--", "uptime", "-p"), connect.engine, target)
    settings, rest = argv[1:5], argv[5:]
    uuid = connect.engine.vms.show("1").body["uuid"]
    assert settings == ["-o", f"HostKeyAlias=nebula-{uuid}", "-o", "ConnectTimeout=15"]
    assert rest[:3] == ["-l", "root", "--"]
    assert rest[3].startswith("10.77.")
    assert rest[4:] == ["uptime", "-p"]
    assert ssh_argv(line("vm", "ssh", "web-1", "-l", "debian"), connect.engine, target)[6] == "debian"
    card = connect.engine.vms.show("1").body["nics"][0]
    for name in ("NIC0", "0", card["mac"]):
        assert ssh_argv(line("vm", "ssh", "web-1", "--nic", name), connect.engine, target)[-1] == card["ip"]
    with pytest.raises(NotFoundError, match="no card 'NIC7'"):
        ssh_argv(line("vm", "ssh", "web-1", "--nic", "NIC7"), connect.engine, target)
    jump = ssh_argv(line("vm", "ssh", "web-1", "--jump"), connect.engine, target)
    assert jump[5] == "-J"
    assert jump[6].startswith("root@host-")
    with pytest.raises(UsageError):
        ssh_argv(line("vm", "ssh", "web-1", "--user", "-oProxyCommand=x"), connect.engine, target)


def test_ssh_to_a_vm_that_is_off_is_refused_at_once(cli: Cli) -> None:
    assert cli("vm", "create", "held", "--image", "linux", "--memory", "64M", "--network", "lan", "--hold").status == 0
    result = cli("vm", "ssh", "held")
    assert result.status == 5
    assert "is HOLD: nobody answers" in result.err
    assert cli("vm", "terminate", "held").status == 0
