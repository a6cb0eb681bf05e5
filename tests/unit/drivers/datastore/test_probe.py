from __future__ import annotations

import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.header import examine
from nebula.drivers.datastore.probe import probe_image
from nebula.errors import ImageError, NotFoundError, UsageError

MIB = 1 << 20
VALID_HEAD = struct.pack(
    ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, 8 * MIB, 0, 1, 196608, 65536, 1, 0, 0, 0, 0, 0, 4, 104
)


@pytest.fixture
def host(hosts: tuple[HostHandle, HostHandle]) -> HostHandle:
    return hosts[0]


def create(path: Path, *options: str, format_: str = "qcow2", size: str = "8M") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", format_, *options, str(path), size], check=True)
    return path


@pytest.mark.parametrize("options", [[], ["-o", "compat=0.10"], ["-o", "cluster_size=2M"], ["-o", "extended_l2=on"]])
def test_honest_qcow2_is_taken(host: HostHandle, place: Path, options: list[str]) -> None:
    probe = probe_image(host, str(create(place / "image", *options)), "qcow2")
    assert (probe.format, probe.virtual_size) == ("qcow2", 8 * MIB)
    assert probe.actual_size < 8 * MIB


def test_anything_without_a_magic_is_raw(host: HostHandle, place: Path) -> None:
    (place / "image").write_bytes(b"\xeb\x63" * 512 * 8)
    assert probe_image(host, str(place / "image"), "").format == "raw"


@pytest.mark.parametrize("claimed", ["raw", "qcow2"])
def test_a_wrong_claim_is_refused(host: HostHandle, place: Path, claimed: str) -> None:
    image = create(place / "image", format_="qcow2" if claimed == "raw" else "raw")
    with pytest.raises(ImageError, match="said to be"):
        probe_image(host, str(image), claimed)


def test_a_backing_file_is_refused_even_when_it_is_secret(host: HostHandle, place: Path) -> None:
    secret = create(place / "secret", format_="raw")
    for options in (["-F", "raw", "-b", str(secret)], ["-u", "-F", "raw", "-b", "json:{}"]):
        with pytest.raises(ImageError, match="backing file"):
            probe_image(host, str(create(place / "image", *options)), "qcow2")


def test_an_external_data_file_is_refused(host: HostHandle, place: Path) -> None:
    image = create(place / "image", "-o", f"data_file={place / 'data'}")
    with pytest.raises(ImageError, match="another file"):
        probe_image(host, str(image), "qcow2")


@pytest.mark.parametrize("method", [1, 2])
def test_encryption_is_refused(host: HostHandle, place: Path, method: int) -> None:
    image = create(place / "image")
    overwrite(image, 32, struct.pack(">I", method))
    with pytest.raises(ImageError, match="encrypted"):
        probe_image(host, str(image), "qcow2")


def overwrite(image: Path, at: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_an_absurd_size_is_refused(host: HostHandle, place: Path) -> None:
    image = create(place / "image")
    overwrite(image, 24, struct.pack(">Q", 1 << 60))
    with pytest.raises(ImageError, match="64 TiB"):
        probe_image(host, str(image), "qcow2")


def test_an_absurd_raw_size_is_refused(host: HostHandle, place: Path) -> None:
    (place / "image").touch()
    with pytest.raises(ImageError, match="empty"):
        probe_image(host, str(place / "image"), "raw")


@pytest.mark.parametrize("format_", ["vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"])
def test_other_formats_are_refused_with_the_command_that_converts_them(host: HostHandle, place: Path, format_: str) -> None:
    image = create(place / "image", format_=format_)
    with pytest.raises(ImageError, match=format_) as caught:
        probe_image(host, str(image), "")
    assert f"qemu-img convert -f {format_} -O qcow2" in caught.value.hint


def test_an_encrypted_volume_is_taken_only_if_it_is_called_raw(host: HostHandle, place: Path) -> None:
    path = place / "volume"
    path.write_bytes(b"LUKS\xba\xbe\0\x02" + bytes(MIB))
    with pytest.raises(ImageError, match="encrypted") as caught:
        probe_image(host, str(path), "")
    assert "--format raw" in caught.value.hint
    assert probe_image(host, str(path), "raw").format == "raw"


def test_compressed_files_are_refused(host: HostHandle, place: Path) -> None:
    (place / "image").write_bytes(b"\xfd7zXZ\0" + bytes(1000))
    with pytest.raises(ImageError, match="compressed"):
        probe_image(host, str(place / "image"), "")


def test_only_regular_files_are_looked_at(host: HostHandle, place: Path) -> None:
    (place / "link").symlink_to("/etc/shadow")
    for path, error in ((place / "link", ImageError), (place, ImageError), (Path("/dev/zero"), ImageError)):
        with pytest.raises(error):
            probe_image(host, str(path), "")
    with pytest.raises(NotFoundError):
        probe_image(host, str(place / "none"), "")
    with pytest.raises(UsageError):
        probe_image(host, "json:{}", "")


@given(noise=st.binary(min_size=0, max_size=400), at=st.integers(4, 400))
def test_no_header_makes_the_examination_fail_otherwise_than_by_its_error(noise: bytes, at: int) -> None:
    head = bytearray(VALID_HEAD + bytes(400))
    head[at : at + len(noise)] = noise
    with suppress(ImageError):
        assert examine(bytes(head), "/image") == "qcow2"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=1, max_size=120), at=st.integers(4, 200))
def test_whatever_a_header_says_the_answer_is_a_probe_or_an_error_of_ours(
    host: HostHandle, place: Path, noise: bytes, at: int
) -> None:
    image = create(place / "image")
    overwrite(image, at, noise)
    with suppress(ImageError):
        assert 0 < probe_image(host, str(image), "qcow2").virtual_size <= 64 << 40
