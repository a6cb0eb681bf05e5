"""What filters of cards let pass, by packets that guests really send. A test module imports the tests and gives the fixtures
`host`, `network_subject` and `guests`: three on one bridge of that host, called onebr7.
"""

from __future__ import annotations

import json
import struct
import threading

import msgspec
import pytest

from nebula.model.firewall import CardFilter, FilterRule
from tests.contract.network import NetworkSubject
from tests.unit.drivers.network.guests import Guest, asks
from tests.unit.drivers.network.namespaces import Namespace

OUT = FilterRule(inbound=False)
PATIENT = 20.0
OPEN = CardFilter(rules=(OUT, FilterRule(inbound=True)))
CLOSED = CardFilter(rules=(OUT,))


def inbound(**fields: object) -> CardFilter:
    """Open outbound; inbound what a rule says."""
    return CardFilter(rules=(OUT, FilterRule(inbound=True, **fields)))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def unfiltered(network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]) -> None:
    network_subject.driver.set_filters(network_subject.host, [one.nic for one in guests])


def answered(subject: NetworkSubject, web: Guest, wanted: CardFilter | None, *askers: Guest, port: int = 53) -> list[int]:
    """Which of those who ask at a port of the web guest are answered, under that filter."""
    subject.driver.set_filters(subject.host, [web.with_filter(wanted)])
    with web.serving(port):
        return [asker.asks(web, port, patience=PATIENT if wanted is None else 0.5) for asker in askers]


def test_only_what_a_rule_says_comes_in(network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]) -> None:
    web, app, other = guests
    assert answered(network_subject, web, None, app, other) == [1, 1]
    assert answered(network_subject, web, CLOSED, app, other) == [0, 0]
    assert answered(network_subject, web, inbound(protocol="udp", ports=((53, 53),)), app, other) == [1, 1]
    assert answered(network_subject, web, inbound(protocol="udp", ports=((53, 60),)), app, port=54) == [1]
    assert answered(network_subject, web, inbound(protocol="udp", ports=((53, 53),)), app, port=54) == [0]
    assert answered(network_subject, web, inbound(protocol="tcp"), app) == [0]
    assert answered(network_subject, web, inbound(peers=(f"{app.nic.ip}/32",)), app, other) == [1, 0]
    assert answered(network_subject, web, inbound(peers=()), app) == [0]
    several = inbound(protocol="udp", ports=((53, 53), (60, 70)), peers=("192.0.2.0/24", f"{app.nic.ip}/32"))
    assert answered(network_subject, web, several, app, other) == [1, 0]
    assert answered(network_subject, web, several, app, port=69) == [1]
    assert answered(network_subject, web, several, app, port=59) == [0]
    assert answered(network_subject, web, None, app, other) == [1, 1]


def test_ipv6_too(network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]) -> None:
    web, app, other = guests
    network_subject.driver.set_filters(network_subject.host, [web.with_filter(inbound(peers=(f"{app.nic.ip6}/128",)))])
    with web.serving(53, web.nic.ip6):
        assert app.asks(web, 53, to=web.nic.ip6, patience=PATIENT) == 1
        assert other.asks(web, 53, to=web.nic.ip6) == 0


def test_what_goes_out_is_answered(network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]) -> None:
    web, app, other = guests
    network_subject.driver.set_filters(network_subject.host, [one.with_filter(CLOSED) for one in (web, other)])
    with app.serving(53), other.serving(53):
        assert web.asks(app, 53, patience=PATIENT) == 1
        assert web.asks(other, 53) == 0
        only = CardFilter(rules=(FilterRule(inbound=False, protocol="udp", ports=((54, 54),)),))
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(only)])
        assert web.asks(app, 53) == 0


def test_the_hosts_own_traffic_is_filtered(
    host: Namespace, network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]
) -> None:
    web, _, _ = guests
    host.sh("ip address add 10.9.0.254/24 dev onebr7")
    network_subject.driver.set_filters(network_subject.host, [web.with_filter(CLOSED)])
    with web.serving(53):
        assert asks(host, web.nic.ip, 53) == 0
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(OPEN)])
        assert asks(host, web.nic.ip, 53, patience=PATIENT) == 1


def test_a_change_lets_nothing_in_and_stops_nothing(
    network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]
) -> None:
    """Rules are changed all the time while one guest that may ask and one that may not do so."""
    web, app, other = guests
    with web.serving(53):
        results: dict[str, int] = {}

        def asking(name: str, who: Guest, times: int, patience: float) -> None:
            results[name] = who.asks(web, 53, times=times, patience=patience)

        peers = (f"{app.nic.ip}/32",)
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(inbound(peers=peers))])
        threads = [
            threading.Thread(target=asking, args=("app", app, 400, PATIENT)),
            threading.Thread(target=asking, args=("other", other, 20, 0.05)),
        ]
        for thread in threads:
            thread.start()
        changes = 0
        while changes < 3 or any(thread.is_alive() for thread in threads):
            more = (*peers, "192.0.2.0/24") if changes % 2 else peers
            network_subject.driver.set_filters(network_subject.host, [web.with_filter(inbound(peers=more))])
            changes += 1
    assert results == {"app": 400, "other": 0}


def _frame(source: str, ethertype: int, body: bytes, word: str) -> bytes:
    """A broadcast whose 42nd byte begins a word."""
    head = b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + struct.pack("!H", ethertype)
    return (head + body).ljust(42, b"\0") + word.encode()


def _arp(mac: str, ip: str) -> bytes:
    sender = bytes.fromhex(mac.replace(":", "")) + bytes(map(int, ip.split(".")))
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + bytes(10)


def _udp(source: str, port: int, word: str) -> bytes:
    """Headers of a packet to everybody, with the checksum without which no bridge would pass it on."""
    addresses = bytes(map(int, source.split("."))) + b"\xff" * 4
    fields = (0x45, 0, 28 + len(word), 0, 0, 64, 17)
    summed = sum(struct.unpack("!10H", struct.pack("!BBHHHBBH", *fields, 0) + addresses))
    head = struct.pack("!BBHHHBBH", *fields, 0xFFFF - summed % 0xFFFF) + addresses
    return head + struct.pack("!HHHH", port, 9999, 8 + len(word), 0)


def test_what_is_forged_does_not_pass(network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]) -> None:
    web, app, _ = guests
    mac, ip, other = web.nic.mac, web.nic.ip, "02:00:00:00:00:99"
    frames = [
        _frame(mac, 0x0806, _arp(mac, ip), "arp"),
        _frame(other, 0x0806, _arp(other, ip), "forged-mac"),
        _frame(mac, 0x0806, _arp(other, ip), "forged-arp-mac"),
        _frame(mac, 0x0806, _arp(mac, "10.9.0.2"), "forged-arp-ip"),
        _frame(mac, 0x0800, _udp("10.9.0.2", 5000, "forged-ip"), "forged-ip"),
        _frame(mac, 0x0800, _udp(ip, 67, "dhcp-server"), "dhcp-server"),
        _frame(mac, 0x88CC, b"", "other-protocol"),
        _frame(mac, 0x8035, _arp(mac, ip), "moved"),
        _frame(mac, 0x0806, _arp(mac, ip), "end"),
    ]
    everything = [frame[42:].decode() for frame in frames]
    for wanted, heard in ((None, everything), (CardFilter(), ["arp", "moved", "end"])):
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(wanted)])
        with app.hearing() as words:
            web.sends(*frames[:-1])
            # Alone, as a switch may pass on what came at once in another order.
            web.sends(frames[-1])
        assert sorted(word for word in words if word in everything) == sorted(heard)
    for one in guests:
        one.inside.sh("ip neigh flush all")


def test_another_address_than_ones_own_is_not_answered(
    network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]
) -> None:
    web, app, _ = guests
    web.inside.sh("ip address add 10.9.0.77/24 dev eth0")
    network_subject.driver.set_filters(network_subject.host, [web.with_filter(OPEN)])
    with app.serving(53):
        assert web.asks(app, 53, patience=PATIENT) == 1
        assert web.asks(app, 53, source="10.9.0.77") == 0
        router = msgspec.structs.replace(OPEN, own_ips=False)
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(router)])
        assert web.asks(app, 53, source="10.9.0.77", patience=PATIENT) == 1


def test_the_address_of_an_alias_is_ones_own(network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]) -> None:
    web, app, _ = guests
    alias, alias6 = "10.9.0.78", "fd09::78"
    web.inside.sh(f"ip address add {alias}/24 dev eth0")
    web.inside.sh(f"ip address add {alias6}/64 dev eth0 nodad")
    mine = msgspec.structs.replace(OPEN, further=(alias, alias6))
    with app.serving(53), app.serving(53, app.nic.ip6):
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(OPEN)])
        assert web.asks(app, 53, patience=PATIENT) == 1
        assert web.asks(app, 53, source=alias) == 0
        assert web.asks(app, 53, to=app.nic.ip6, source=alias6) == 0
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(mine)])
        assert web.asks(app, 53, source=alias, patience=PATIENT) == 1
        assert web.asks(app, 53, to=app.nic.ip6, source=alias6, patience=PATIENT) == 1
        assert web.asks(app, 53, source="", patience=PATIENT) == 1
    network_subject.driver.set_filters(network_subject.host, [web.with_filter(inbound(peers=(f"{app.nic.ip}/32",)))])
    with web.serving(54, alias):
        assert app.asks(web, 54, to=alias) == 0
        shut = CardFilter(rules=(OUT,), further=(alias,))
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(shut)])
        assert app.asks(web, 54, to=alias) == 0
        let_in = msgspec.structs.replace(inbound(peers=(f"{app.nic.ip}/32",)), further=(alias,))
        network_subject.driver.set_filters(network_subject.host, [web.with_filter(let_in)])
        assert app.asks(web, 54, to=alias, patience=PATIENT) == 1


def test_nothing_of_the_filters_stays(
    host: Namespace, network_subject: NetworkSubject, guests: tuple[Guest, Guest, Guest]
) -> None:
    web, app, _ = guests
    before = _whole(host)
    network_subject.driver.set_filters(
        network_subject.host, [web.with_filter(inbound(peers=("10.0.0.0/8", "fd00::/8"))), app.with_filter(CLOSED)]
    )
    assert network_subject.driver.filtered(network_subject.host) == [web.nic.tap, app.nic.tap]
    network_subject.driver.unplugged(network_subject.host, app.with_filter(CLOSED))
    assert network_subject.driver.filtered(network_subject.host) == [web.nic.tap]
    network_subject.driver.unplugged(network_subject.host, web.with_filter(CLOSED))
    assert _whole(host) == before


def _whole(host: Namespace) -> list[str]:
    """All that filters anything there; chains of iptables that were used once stay empty."""
    tables = json.loads(host.sh("nft -j list tables bridge"))["nftables"][1:]
    return [str(tables), host.sh("ipset list -n"), host.sh("iptables -S"), host.sh("ip6tables -S")]
