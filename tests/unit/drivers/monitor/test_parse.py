"""The parser on what kernels of several ages write, and on rubbish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.monitor.devices import is_disk, is_uplink
from nebula.drivers.monitor.parse import parse_sample

KERNEL_6 = """== stat
cpu  1000 200 300 40000 500 60 70 80 900 10
== meminfo
MemTotal:       16384000 kB
MemFree:         1024000 kB
MemAvailable:    8192000 kB
Buffers:            4096 kB
Cached:          6000000 kB
== diskstats
 259       0 nvme0n1 100 1 2000 12 200 2 4000 40 0 8 17 0 0 0 0 13 2
 259       1 nvme0n1p1 99 1 1999 12 199 2 3999 40 0 8 17 0 0 0 0 13 2
 253       0 dm-0 100 0 2000 12 200 0 4000 40 0 8 17 0 0 0 0 0 0
   8       0 sda 10 0 100 1 20 0 200 2 0 3 4 0 0 0 0 0 0
   7       0 loop0 212 1 8502 12 13 0 40 2 0 8 17 0 0 0 0 13 2
== net/dev
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  234263    1303    0    0    0     0          0         0   234263    1303    0    0    0     0       0          0
enp3s0:    5000      10    0    0    0     0          0         0     7000      20    0    0    0     0       0          0
onebr7:    4000      10    0    0    0     0          0         0     6000      20    0    0    0     0       0          0
one-1-0:   4000      10    0    0    0     0          0         0     6000      20    0    0    0     0       0          0
== loadavg
1.25 0.90 0.75 2/500 12345
== pressure/cpu
some avg10=2.61 avg60=11.79 avg300=9.62 total=66346610
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
== pressure/memory
some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=900000
== pressure/io
full avg10=0.00 avg60=0.00 avg300=0.00 total=900000
some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000
== ticks
100
== date
1700000000.250000000
"""

KERNEL_3_10 = """== stat
cpu  1000 0 500 9000 100 0 0
== meminfo
MemTotal:        2048000 kB
MemFree:          102400 kB
Buffers:          102400 kB
Cached:           204800 kB
== diskstats
   8       0 sda 10 0 100 1 20 0 200 2 0 3 4
   8       1 sda1 10 0 100 1 20 0 200 2 0 3 4
   3       1 hda1 36 306 39 12
== net/dev
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  eth0:5000 10 0 0 0 0 0 0 7000 20 0 0 0 0 0 0
eth0.12:5000 10 0 0 0 0 0 0 7000 20 0 0 0 0 0 0
== loadavg
0.10 0.05 0.01 1/100 999
== pressure/cpu
== pressure/memory
== pressure/io
== ticks
== date
"""


def test_a_present_kernel() -> None:
    sample = parse_sample(KERNEL_6, 5.0)
    assert sample.taken == 5.0
    assert sample.host_time == 1700000000.25
    assert (sample.cpu_busy, sample.cpu_idle, sample.cpu_steal) == (16.3, 405.0, 0.8)
    assert (sample.memory_total_mib, sample.memory_free_mib) == (16000, 8000)
    assert (sample.disk_read_bytes, sample.disk_write_bytes) == (2100 * 512, 4200 * 512)
    assert (sample.net_rx_bytes, sample.net_tx_bytes) == (5000, 7000)
    assert (sample.pressure_cpu, sample.pressure_memory, sample.pressure_io) == (66.34661, 1.5, 2.5)
    assert sample.load1 == 1.25


def test_an_old_kernel_without_pressure_and_memavailable() -> None:
    sample = parse_sample(KERNEL_3_10, 5.0)
    assert (sample.cpu_busy, sample.cpu_idle, sample.cpu_steal) == (15.0, 91.0, 0.0)
    assert (sample.memory_total_mib, sample.memory_free_mib) == (2000, 400)
    assert (sample.disk_read_bytes, sample.disk_write_bytes) == (51200, 102400)
    assert (sample.net_rx_bytes, sample.net_tx_bytes) == (5000, 7000)
    assert (sample.pressure_cpu, sample.host_time) == (0.0, 0.0)


def test_other_ticks() -> None:
    assert parse_sample(KERNEL_3_10.replace("== ticks", "== ticks\n250"), 0.0).cpu_busy == 6.0


def test_nothing_at_all() -> None:
    assert parse_sample("", 7.0).memory_total_mib == 0


LINES = [line for text in (KERNEL_6, KERNEL_3_10) for line in text.split("\n")]
words = st.one_of(
    st.text(max_size=12), st.sampled_from(["==", "cpu", "sda", "eth0:", "²", "-5", "9" * 25, "some", "total=1", "1e999", "nan"])
)


@given(st.lists(st.one_of(st.sampled_from(LINES), st.lists(words, max_size=20).map(" ".join)), max_size=40))
def test_rubbish_never_raises_and_never_counts_below_nothing(lines: list[str]) -> None:
    sample = parse_sample("\n".join(lines), 1.0)
    assert all(getattr(sample, field) >= 0 for field in sample.__struct_fields__ if field != "hardware")


def test_which_disks_count() -> None:
    assert all(map(is_disk, ["sda", "sdaa", "vdb", "nvme0n1", "nvme10n2", "mmcblk0", "xvda", "rbd3"]))
    assert not any(map(is_disk, ["sda1", "nvme0n1p1", "mmcblk0p1", "dm-0", "md127", "loop0", "sr0", "zram0", "ram1", "vd"]))


def test_which_network_devices_count() -> None:
    assert all(map(is_uplink, ["eth0", "enp3s0", "enp3s0f1np1", "eno1", "wlan0", "ens3", "ib0", "wlp2s0", "enx001122334455"]))
    assert not any(
        map(is_uplink, ["lo", "one-3-0", "onebr7", "virbr0", "br0", "docker0", "veth12ab", "bond0", "eth0.100", "wg0"])
    )
