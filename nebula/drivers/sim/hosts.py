"""The hosts of the world: what they are, and what befalls them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_DNS, uuid5

from nebula import typed
from nebula.drivers.sim.database import Database
from nebula.drivers.sim.domains import Domains
from nebula.drivers.sim.gate import Gate
from nebula.drivers.sim.migrations import Migrations
from nebula.drivers.sim.records import encode
from nebula.errors import NotFoundError
from nebula.model.host import Finding, HostFacts, HostHardware, NumaNode

MIB = 1 << 20
HOST_DOWN = "host_down"
"""The kind of the change that ends subscriptions; never delivered."""
OVERHEAD = 0.03
"""Cores that a host uses for itself."""
_decode_facts = typed.decoder(HostFacts)
_decode_hardware = typed.decoder(HostHardware)
_decode_findings = typed.decoder(list[Finding])


def cpu_xml(model: str, features: Sequence[str] = ()) -> str:
    """A `<cpu>` element as libvirt writes it."""
    inner = "".join(f"<feature policy='require' name='{name}'/>" for name in sorted(features))
    return f"<cpu mode='custom' match='exact'><model fallback='forbid'>{model}</model>{inner}</cpu>"


def facts_of(name: str, cores: int, memory_mib: int, model: str, features: Sequence[str] = ("aes", "avx")) -> HostFacts:
    """The facts of a believable host."""
    return HostFacts(
        hostname=name,
        uuid=str(uuid5(NAMESPACE_DNS, name)),
        arch="x86_64",
        cpu_total=cores * 100,
        memory_total_mib=memory_mib,
        cpu_model=f"Simulated {model}",
        cpu_mhz=2600,
        cpu_xml=cpu_xml(model, features),
        cpu_models=("qemu64", model),
        hypervisor_version="9.2.0",
        libvirt_version="10.10.0",
        machines=("q35", "pc-q35-9.2"),
        virt_types=("kvm", "qemu"),
        emulator="/usr/bin/qemu-system-x86_64",
    )


def hardware_of(facts: HostFacts) -> HostHardware:
    """A single NUMA node of cores with two threads."""
    cores = tuple((first, first + 1) for first in range(0, facts.cpu_total // 100 - 1, 2))
    return HostHardware(nodes=(NumaNode(id=0, cores=cores, memory_mib=facts.memory_total_mib, distances=(10,)),))


class Hosts:
    """All hosts. Methods that change something are for tests and demos: they pass no gate."""

    def __init__(self, db: Database, gate: Gate, domains: Domains, migrations: Migrations) -> None:
        self._db, self._gate, self._domains, self._migrations = db, gate, domains, migrations

    def add(
        self, name: str, *, cores: int = 16, memory_mib: int = 65536, cpu_model: str = "Skylake-Server",
        features: Sequence[str] = ("aes", "avx"), facts: HostFacts | None = None, bridges: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """A new host that is up; there already: nothing but new bridges."""
        known = facts if facts is not None else facts_of(name, cores, memory_mib, cpu_model, features)
        now = self._gate.now()
        with self._db.write():
            self._db.run(
                "INSERT OR IGNORE INTO hosts VALUES (?,?,'[]',1,1,1,1,?,0,0,0,0,0,0,?,0,0,0)", name, encode(known), now, now
            )
            for bridge in bridges:
                self._db.run("INSERT OR IGNORE INTO bridges VALUES (?,?,0)", name, bridge)

    def names(self) -> list[str]:
        """All hosts' names."""
        return [str(name) for (name,) in self._db.all("SELECT name FROM hosts ORDER BY name")]

    def facts(self, name: str) -> HostFacts:
        """What the host is."""
        return _decode_facts(self._column(name, "facts"))

    def findings(self, name: str) -> list[Finding]:
        """What preflight finds."""
        return _decode_findings(self._column(name, "findings"))

    def set_findings(self, name: str, findings: Sequence[Finding]) -> None:
        """What preflight shall find."""
        self._set(name, "findings", encode(list(findings)))

    def hardware(self, name: str) -> HostHardware:
        """What can be given to a VM for itself: what `set_hardware` ordered, else one NUMA node, and no device."""
        row = self._db.one("SELECT hardware FROM hardware WHERE host=?", name)
        return _decode_hardware(row[0]) if row is not None else hardware_of(self.facts(name))

    def set_hardware(self, name: str, hardware: HostHardware) -> None:
        """What it shall have."""
        with self._db.write():
            self._db.run("INSERT OR REPLACE INTO hardware VALUES (?,?)", name, encode(hardware))

    def set_clock_skew(self, name: str, seconds: float) -> None:
        """The host's clock is ahead by so much."""
        self._set(name, "clock_skew", seconds)

    def set_reachable(self, name: str, reachable: bool, *, peers: bool = False) -> None:
        """Cut or mend the way from the engine to the host; with `peers` also the way between it and the other hosts."""
        now = self._gate.now()
        with self._db.write():
            self._set(name, "reachable", int(reachable))
            if peers:
                self._set(name, "connected", int(reachable))
            if not reachable:
                self._db.event(name, "", HOST_DOWN, "unreachable")
            if peers and not reachable:
                self._migrations.host_lost(name, now)

    def set_libvirtd(self, name: str, up: bool) -> None:
        """Stop or start libvirtd; guests run on, migrations fail, subscriptions end."""
        now = self._gate.now()
        with self._db.write():
            self._set(name, "libvirtd", int(up))
            if not up:
                self._migrations.host_lost(name, now)
                self._db.event(name, "", HOST_DOWN, "libvirtd")

    def cut_power(self, name: str) -> None:
        """Everything that ran is gone: domains are shut off (reason unknown), taps, owned bridges and copies under way too."""
        now = self._gate.now()
        with self._db.write():
            self._set(name, "powered", 0)
            self._db.event(name, "", HOST_DOWN, "power")
            self._migrations.host_lost(name, now)
            for domain in list(self._domains.on(name, active=True)):
                self._domains.off(domain, "unknown", now)
            self._db.run("DELETE FROM taps WHERE host=?", name)
            self._db.run("DELETE FROM filters WHERE host=?", name)
            self._db.run("DELETE FROM served WHERE host=?", name)
            self._db.run("DELETE FROM tunnels WHERE host=?", name)
            self._db.run("DELETE FROM mounts WHERE host=?", name)
            self._db.run("DELETE FROM bridges WHERE host=? AND owned=1", name)
            self._db.run(
                "UPDATE copies SET status='failed', code='unreachable', words='the host lost power'"
                " WHERE host=? AND status='running'",
                name,
            )

    def power_on(self, name: str) -> None:
        """The host boots; nothing starts by itself."""
        now = self._gate.now()
        with self._db.write():
            self._db.run(
                "UPDATE hosts SET powered=1, libvirtd=1, booted_at=?, departed_busy=0, departed_read=0,"
                " departed_written=0, departed_received=0, departed_sent=0, sampled_at=?, sampled_raw=0, sampled_busy=0,"
                " sampled_pressure=0 WHERE name=?",
                now, now, name,
            )  # fmt: skip

    def add_bridge(self, name: str, bridge: str, *, owned: bool = False) -> None:
        """A bridge that is there."""
        with self._db.write():
            self._db.run("INSERT OR IGNORE INTO bridges VALUES (?,?,?)", name, bridge, owned)

    def bridges(self, name: str) -> list[str]:
        """The host's bridges."""
        return [str(bridge) for (bridge,) in self._db.all("SELECT name FROM bridges WHERE host=? ORDER BY name", name)]

    def add_tap(self, name: str, tap: str, bridge: str = "br0") -> None:
        """A tap that somebody left behind."""
        with self._db.write():
            self._db.run("INSERT OR REPLACE INTO taps VALUES (?,?,?,'')", name, tap, bridge)

    def _column(self, name: str, column: str) -> bytes:
        row = self._db.one(f"SELECT {column} FROM hosts WHERE name=?", name)  # noqa: S608
        if row is None:
            raise NotFoundError(f"the world has no host {name}", hint="nebula host list")
        return row[0] if isinstance(row[0], bytes) else str(row[0]).encode()

    def _set(self, name: str, column: str, value: object) -> None:
        with self._db.write():
            if not self._db.run(f"UPDATE hosts SET {column}=? WHERE name=?", value, name):  # noqa: S608
                raise NotFoundError(f"the world has no host {name}", hint="nebula host list")
