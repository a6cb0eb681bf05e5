"""doctor: looks at everything and says, for what is wrong, the command that mends it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from nebula import timeouts
from nebula.engine.api.values import Finding
from nebula.engine.identity import identity
from nebula.engine.jobs.operations.filtering import leftovers, network_drivers, wanted
from nebula.engine.leftovers import left_in
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.networks import all_networks
from nebula.engine.monitor.hardware import take_up
from nebula.engine.services import Services
from nebula.engine.store.backup import problems
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.errors import ConflictError, DeniedError, MissingLibraryError, NebulaError

if TYPE_CHECKING:
    from nebula.drivers.base import HostHandle
    from nebula.model.network import Stray

CLOCK_TOLERANCE = 5.0
"""Seconds by which a host's clock may differ."""
_SSH_FAILED = 255
_FORBIDDEN = frozenset(
    {"allowtcpforwarding no", "allowtcpforwarding remote", "allowstreamlocalforwarding no", "disableforwarding yes"}
)
"""As `sshd -T` says what is in force. The first of them forbids sockets, too."""
_FORWARD = (
    "printf '%s yes\\n' AllowTcpForwarding AllowStreamLocalForwarding | sudo tee /etc/ssh/sshd_config.d/00-nebula.conf"
    " && sudo systemctl reload sshd"
)
"""On a peer; the first file that says something about it wins."""


def check_all(services: Services) -> list[Finding]:
    """The machine, the database, every host."""
    found = [*_here(), *_database(services)]
    hosts = services.store.read().select(HostRow, '1=1 ORDER BY "id"')
    if not hosts:
        found.append(
            Finding(where="cluster", check="hosts", level="note", text="there is no host yet", fix="nebula host add local")
        )
    for host in hosts:
        found.extend(check_host(services, host))
    return found


def check_host(services: Services, host: HostRow) -> list[Finding]:
    """One host: reach, hypervisor, clock, datastores, ports to its peers."""
    if host.state == HostState.OFFLINE:
        return [_finding(host, "state", "note", "the host is OFFLINE: it is not looked at", f"nebula host enable {host.name}")]
    try:
        transport = services.pool.handle(host).transport
        transport.retry_now()
        transport.run(["true"], timeout=timeouts.COMMAND)
        found = [_finding(host, "reach", "ok", "it answers")] if host.transport != "sim" else []
        rights = _rights(services, host)
        found += rights or [*_whose(services, host), *_forwarding(services, host)]
        found += [Finding(where=host.name, **msgspec.to_builtins(item)) for item in services.pool.hypervisor(host).preflight()]
    except MissingLibraryError as error:
        return [_finding(host, "library", "error", str(error), error.hint)]
    except NebulaError as error:
        return [_finding(host, "reach", "error", str(error), error.hint)]
    found += _clock(services, host)
    return found if rights else [*found, *_datastores(services, host), *_filters(services, host), *_peers(services, host)]


def _rights(services: Services, host: HostRow) -> list[Finding]:
    """What stands against being root there; without root nothing but a look is possible."""
    try:
        services.pool.handle(host).transport.run(["true"], root=True)
    except DeniedError as error:
        return [_finding(host, "rights", "error", str(error), error.hint)]
    return []


def _whose(services: Services, host: HostRow) -> list[Finding]:
    """Whether another engine took it over."""
    if host.transport == "sim":
        return []
    from nebula.drivers.claim import require

    try:
        require(services.pool.handle(host), identity(services.store.read()))
    except ConflictError as error:
        return [_finding(host, "manager", "error", str(error), f"nebula host update {host.name} --take-over")]
    return []


def _forwarding(services: Services, host: HostRow) -> list[Finding]:
    """Whether its sshd forwards what the engine and its peers need; nothing where sshd does not tell."""
    if host.transport == "sim" or not host.address:
        return []
    told = services.pool.handle(host).transport.run(["sshd", "-T"], check=False, root=True).text.splitlines()
    forbidden = sorted(_FORBIDDEN.intersection(told))
    if not forbidden:
        return []
    text = f"its sshd has {', '.join(forbidden)}: libvirt and live migrations need its forwarding"
    return [_finding(host, "sshd", "error", text, f"ssh {host.user}@{host.address} {shlex.quote(_FORWARD)}")]


def _finding(host: HostRow, check: str, level: str, text: str, fix: str = "") -> Finding:
    return Finding(where=host.name, check=check, level=level, text=text, fix=fix)


def _here() -> list[Finding]:
    from nebula.drivers.hypervisor.libvirt.connection import load_library

    try:
        version = int(load_library().getVersion())
    except MissingLibraryError as error:
        text = f"{error}; hosts can be listed but not driven"
        return [Finding(where="this machine", check="libvirt library", level="error", text=text, fix=error.hint)]
    text = f"libvirt client {version // 1000000}.{version // 1000 % 1000}.{version % 1000}"
    return [Finding(where="this machine", check="libvirt library", level="ok", text=text)]


def _database(services: Services) -> list[Finding]:
    wrong = problems(services.store.location)
    if not wrong:
        return [Finding(where="engine", check="database", level="ok", text="the database is sound")]
    return [Finding(where="engine", check="database", level="error", text=text, fix="nebula db restore FILE") for text in wrong]


def _clock(services: Services, host: HostRow) -> list[Finding]:
    """Whether the clocks agree. On the way an owner takes up what hardware is there by now: huge pages, devices."""
    sample = services.pool.monitor(host).sample(services.pool.handle(host), hardware=services.store.owned)
    take_up(services, host, sample)
    if not sample.host_time:
        return []
    apart = sample.host_time - services.clock.now()
    if abs(apart) <= CLOCK_TOLERANCE:
        return [_finding(host, "clock", "ok", f"the clocks agree within {abs(apart):.1f} s")]
    text = f"its clock is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}"
    return [_finding(host, "clock", "warning", text, f"ssh {host.user}@{host.address} timedatectl set-ntp true")]


def _filters(services: Services, host: HostRow) -> list[Finding]:
    """Cards that run without the filters that they should have, filters of cards that are gone, and cards that are left."""
    read = services.store.read()
    found: list[Finding] = []
    on_host: set[str] = set()
    for driver, names in network_drivers(services, host):
        handle = services.pool.handle(host)
        there, taps = driver.filtered(handle), set(driver.taps(handle))
        fix = f"nebula host clean {host.name}"
        if gone := leftovers(read, host.id, there):
            text = f"it has filters of cards that are gone: {', '.join(gone[:10])}"
            found.append(_finding(host, "filters", "warning", text, fix))
        if open_ := sorted(wanted(read, host.id, names).keys() & taps - set(there)):
            text = f"cards lack the filters that they should have: {', '.join(open_[:10])}"
            found.append(_finding(host, "filters", "error", text, "nebula securitygroup commit GROUP"))
        on_host |= taps
    if gone := leftovers(read, host.id, sorted(on_host)):
        text = f"it has cards of VMs that are not there: {', '.join(gone[:10])}"
        found.append(_finding(host, "cards", "warning", text, f"nebula host clean {host.name}"))
    return [*found, *_bridges(services, host)]


def _bridges(services: Services, host: HostRow) -> list[Finding]:
    """What we made there for networks that are gone."""
    drivers, handle = network_drivers(services, host), services.pool.handle(host)
    strays = [stray for driver, _ in drivers for stray in driver.strays(handle, all_networks(services.store.read()))]
    there = sorted(stray.name for stray in strays if not stray.held)
    found = [_held(host, stray) for stray in strays if stray.held]
    if there:
        text = f"it has devices of networks that are gone: {', '.join(there[:10])}"
        found.append(_finding(host, "bridges", "warning", text, f"nebula host clean {host.name}"))
    return found


def _held(host: HostRow, stray: Stray) -> Finding:
    text = f"it has {stray.name} of a network that is gone, which stays: {stray.held}"
    look = f"ip -br address show dev {stray.bridge}; ip -br link show master {stray.bridge}"
    fix = f"ssh {host.user}@{host.address} {shlex.quote(look)}" if host.address else look
    return _finding(host, "bridges", "warning", text, fix)


def _datastores(services: Services, host: HostRow) -> list[Finding]:
    found: list[Finding] = []
    for row in services.store.read().select(
        DatastoreRow, '"state"=0 AND "type"<>\'backup\' AND "cluster_id" IN (-1,?) ORDER BY "id"', (host.cluster_id,)
    ):
        if (row.driver == "sim") != (host.driver == "sim"):
            continue
        try:
            driver, handle = services.pool.datastore(row), services.pool.handle(host)
            seen = driver.check(handle)
            if not any(item.level == "error" for item in seen):
                seen = [*seen, *left_in(services.store.read(), driver, handle)]
        except NebulaError as error:
            found.append(_finding(host, f"datastore {row.name}", "error", str(error), error.hint))
            continue
        found += [Finding(where=host.name, **{**msgspec.to_builtins(item), "check": f"datastore {row.name}"}) for item in seen]
    return found


def _peers(services: Services, host: HostRow) -> list[Finding]:
    """Whether the host reaches its peers' ssh, which migrations and copies use."""
    if host.transport == "sim" or not host.address:
        return []
    found: list[Finding] = []
    for peer in services.store.read().select(HostRow, '"id"<>? AND "state" IN (2,4) ORDER BY "id"', (host.id,)):
        if not peer.address or peer.transport == "sim":
            continue
        found.append(_peer(services.pool.handle(host), host, peer))
    return found


def _peer(handle: HostHandle, host: HostRow, peer: HostRow) -> Finding:
    """Whether the host's own key lets it in at a peer and through to a port there, as a live migration goes: ssh itself is
    asked for the peer's greeting, by way of the peer.
    """
    from nebula.transport.peers import peer_ssh

    check, where = f"peer {peer.name}", f"{peer.address} port {peer.port}"
    script = 'exec 3<>"/dev/tcp/$1/$2"'
    knock = ["timeout", "5", "bash", "-c", script, "bash", peer.address, str(peer.port)]
    if handle.transport.run(knock, check=False, timeout=10.0).status:
        fix = f"open port {peer.port} on {peer.name} for {host.address}"
        return _finding(host, check, "error", f"it cannot reach {where}", fix)
    through = ["-l", peer.user, "-W", f"127.0.0.1:{peer.port}", "--", peer.address]
    done = handle.transport.run(["timeout", "15", *peer_ssh(handle.root, peer.port), *through], check=False, root=True)
    words = done.stderr.decode("utf-8", "replace").strip()
    if "administratively prohibited" in words:
        text = (
            f"sshd on {peer.name} forwards no ports, which live migrations to it need (AllowTcpForwarding, DisableForwarding)"
        )
        return _finding(host, check, "error", text, f"ssh {peer.user}@{peer.address} {shlex.quote(_FORWARD)}")
    if done.status == _SSH_FAILED and "open failed" not in words:
        text = f"{peer.name} does not let its key in: {words[-300:]}"
        return _finding(host, check, "error", text, f"nebula host update {host.name} --address {host.address}")
    return _finding(host, check, "ok", f"it reaches {where}")
