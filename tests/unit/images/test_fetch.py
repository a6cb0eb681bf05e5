from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.errors import (
    CapacityError,
    DeniedError,
    ImageError,
    InterruptedByUser,
    NebulaError,
    NotFoundError,
    UnreachableError,
    UsageError,
)
from nebula.images.fetch import Fetched, fetch
from tests.unit.images.conftest import Site, serving_tls

BODY = b"QFI\xfb" + bytes(range(256)) * 4096
SUM = hashlib.sha256(BODY).hexdigest()
PACKERS = [gzip.compress, lzma.compress, bz2.compress, zstd.compress]


def get(site: Site, target: Path, path: str = "/image.qcow2", **more: object) -> Fetched:
    return fetch(f"{site.url}{path}", target, backoff=0.01, **more)  # type: ignore[arg-type]


@pytest.fixture
def target(tmp_path: Path, site: Site) -> Path:
    site.files["/image.qcow2"] = BODY
    return tmp_path / "image"


def test_a_url_becomes_a_private_file_and_nothing_else_is_left(site: Site, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    fetched = get(site, target, checksum=f"sha256:{SUM}", progress=lambda done, total: seen.append((done, total)))
    assert fetched == Fetched(target, len(BODY), temporary=True)
    assert target.read_bytes() == BODY
    assert target.stat().st_mode & 0o777 == 0o600
    assert seen[-1] == (len(BODY), len(BODY))
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_download_goes_on_where_it_broke(site: Site, target: Path) -> None:
    site.cuts = [100_000, 200_000]
    get(site, target, checksum=SUM)
    assert target.read_bytes() == BODY
    assert [bool(wanted) for wanted in site.ranges] == [False, True, True]
    assert site.ranges[-1] == "bytes=300000-"


def test_another_version_is_fetched_from_its_start(site: Site, target: Path) -> None:
    site.cuts = [100_000] * 2
    token = CancelToken()

    def stop(done: int, _: int) -> None:
        if done >= 150_000:
            token.set(ENGINE_STOPPING)

    with pytest.raises(InterruptedByUser):
        get(site, target, cancel=token, progress=stop)
    site.cuts.clear()
    site.etag, site.files["/image.qcow2"] = '"two"', BODY[::-1]
    get(site, target)
    assert target.read_bytes() == BODY[::-1]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(site: Site, target: Path) -> None:
    token = CancelToken()
    site.cuts = [300_000]
    with pytest.raises(InterruptedByUser):
        get(site, target, cancel=token, progress=lambda *_: token.set(ENGINE_STOPPING))
    left = target.with_name("image.fetched.part").stat()
    assert left.st_size > 0
    assert left.st_mode & 0o777 == 0o600
    site.ranges.clear()
    get(site, target, checksum=SUM)
    assert site.ranges == [f"bytes={left.st_size}-"]


def test_a_cancelled_download_leaves_nothing(site: Site, target: Path) -> None:
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        get(site, target, cancel=token, progress=lambda *_: token.set("cancelled by alice"))
    assert list(target.parent.iterdir()) == []


def test_cancelling_wakes_a_download_that_waits_for_a_silent_server(site: Site, target: Path) -> None:
    site.stall.clear()
    token = CancelToken()
    timer = threading.Timer(0.3, token.set, ["cancelled by alice"])
    timer.start()
    with pytest.raises(InterruptedByUser):
        get(site, target, cancel=token)
    timer.join()


def test_a_busy_server_is_asked_again(site: Site, target: Path) -> None:
    site.statuses = [503, 429, 500]
    assert get(site, target, checksum=SUM).size == len(BODY)


def test_a_server_that_stays_busy_is_given_up(site: Site, target: Path) -> None:
    site.statuses = [503] * 50
    with pytest.raises(UnreachableError, match="503"):
        get(site, target)
    assert len(site.ranges) < 10


def test_a_server_that_is_not_there_is_unreachable(target: Path) -> None:
    with pytest.raises(UnreachableError):
        fetch("http://127.0.0.1:9/image", target, backoff=0.001)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFoundError), (410, NotFoundError), (403, DeniedError), (418, ImageError)]
)
def test_a_refusal_is_final(site: Site, target: Path, status: int, error: type[NebulaError]) -> None:
    site.statuses = [status]
    with pytest.raises(error):
        get(site, target)
    assert len(site.ranges) == 1


def test_a_wrong_checksum_is_refused_and_nothing_is_left(site: Site, target: Path) -> None:
    with pytest.raises(ImageError, match="checksum"):
        get(site, target, checksum="0" * 64)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("line", [f"{SUM}  image.qcow2\n", f"{SUM} *image.qcow2\n", f"SHA256 (image.qcow2) = {SUM}\n"])
def test_the_checksum_is_found_in_a_list(site: Site, target: Path, line: str) -> None:
    site.files["/SUMS"] = f"# a comment\n{'1' * 64}  other.qcow2\n{line}".encode()
    get(site, target, checksum_url=f"{site.url}/SUMS")
    site.files["/image.qcow2"] = BODY + b"!"
    with pytest.raises(ImageError):
        get(site, target, checksum_url=f"{site.url}/SUMS")


def test_a_list_that_does_not_name_the_image_is_an_error(site: Site, target: Path) -> None:
    site.files["/SUMS"] = f"{'1' * 64}  a\n{'2' * 64}  b\n".encode()
    with pytest.raises(ImageError, match="no checksum"):
        get(site, target, checksum_url=f"{site.url}/SUMS")


def test_too_large_is_refused_by_what_is_said_and_by_what_comes(site: Site, target: Path) -> None:
    with pytest.raises(ImageError, match="larger"):
        get(site, target, limit=1000)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("pack", PACKERS)
def test_a_packed_image_is_unpacked_with_its_holes(site: Site, target: Path, pack: object) -> None:
    content = BODY + bytes(16 << 20) + BODY
    site.files["/image.qcow2"] = pack(content)  # type: ignore[operator]
    fetched = get(site, target)
    assert target.read_bytes() == content
    assert fetched.size == len(content)
    assert target.stat().st_blocks * 512 < 8 << 20
    assert list(target.parent.iterdir()) == [target]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("size", [3 << 20, 1900 << 10])
def test_a_disk_that_gets_full_is_said_and_nothing_is_left(site: Site, small_disk: Path, size: int) -> None:
    (small_disk / "other").write_bytes(bytes(256 << 10))
    site.files["/image.qcow2"] = random.Random(1).randbytes(size)
    with pytest.raises(CapacityError) as caught:
        get(site, small_disk / "image")
    assert caught.value.cause == "No space left on device"
    assert caught.value.hint == f"df -h {small_disk}"
    assert [path.name for path in small_disk.iterdir()] == ["other"]
    assert len(site.ranges) == 1, "nobody tries that again"


@pytest.mark.parametrize("pack", PACKERS)
def test_a_disk_that_gets_full_while_unpacking_is_said_too(site: Site, small_disk: Path, tmp_path: Path, pack: object) -> None:
    packed = pack(b"QFI\xfb" + b"x" * (3 << 20))  # type: ignore[operator]
    site.files["/image.qcow2"] = packed
    (tmp_path / "image.packed").write_bytes(packed)
    for source in (f"{site.url}/image.qcow2", str(tmp_path / "image.packed")):
        with pytest.raises(CapacityError, match=r"there is no room for .*/image: No space left"):
            fetch(source, small_disk / "image")
        assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bomb_is_refused(site: Site, target: Path, pack: object) -> None:
    site.files["/image.qcow2"] = pack(bytes(8 << 20))  # type: ignore[operator]
    with pytest.raises(ImageError, match="unpacks to more"):
        get(site, target, limit=4 << 20)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("pack", PACKERS)
def test_a_damaged_packing_is_refused(site: Site, target: Path, pack: object) -> None:
    site.files["/image.qcow2"] = pack(BODY)[:-20]  # type: ignore[operator]
    with pytest.raises(ImageError, match="unpacked"):
        get(site, target)
    assert list(target.parent.iterdir()) == []


def test_redirects_are_followed_but_not_for_ever(site: Site, target: Path) -> None:
    site.redirects = {"/latest": "/image.qcow2", "/round": "/round"}
    get(site, target, "/latest", checksum=SUM)
    with pytest.raises(ImageError, match="circles"):
        get(site, target, "/round")


@pytest.mark.parametrize("onward", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_something_else_than_http_is_refused(site: Site, target: Path, onward: str) -> None:
    site.redirects = {"/latest": onward}
    with pytest.raises(UsageError):
        get(site, target, "/latest")


def test_secrets_in_a_url_are_not_shown(site: Site, target: Path) -> None:
    url = site.url.replace("http://", "http://alice:hunter2@") + "/nothing?token=hunter3"
    with pytest.raises(NotFoundError) as caught:
        fetch(url, target)
    assert "hunter" not in str(caught.value.as_dict())


@pytest.mark.parametrize("url", ["gopher://x/y", "http://", "https://[::1"])
def test_what_is_no_http_url_is_a_usage_error(target: Path, url: str) -> None:
    with pytest.raises(UsageError):
        fetch(url, target)


def test_a_path_is_used_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "here.qcow2"
    path.write_bytes(BODY)
    assert fetch(str(path), tmp_path / "target", checksum=SUM) == Fetched(path, len(BODY), temporary=False)
    with pytest.raises(ImageError):
        fetch(str(path), tmp_path / "target", checksum="0" * 128)


def test_a_packed_path_is_unpacked_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "here.qcow2.xz"
    path.write_bytes(lzma.compress(BODY))
    fetched = fetch(str(path), tmp_path / "target")
    assert fetched == Fetched(tmp_path / "target", len(BODY), temporary=True)
    assert path.exists()


def test_a_path_must_be_a_file_that_has_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, error in (("none", NotFoundError), ("empty", ImageError), (".", ImageError)):
        with pytest.raises(error):
            fetch(str(tmp_path / name), tmp_path / "target")


@pytest.mark.parametrize("text", ["", "sha256:12", "md5:" + "0" * 32, "g" * 64, "sha256:" + "0" * 128])
def test_what_is_no_checksum_is_a_usage_error(tmp_path: Path, text: str) -> None:
    if text:
        with pytest.raises(UsageError):
            fetch(str(tmp_path), tmp_path / "target", checksum=text)


def test_a_redirect_from_https_to_http_is_refused(
    site: Site, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run([*request, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving_tls(site, certificate, key) as url:
        assert fetch(f"{url}/image.qcow2", target, checksum=SUM).size == len(BODY)
        site.redirects = {"/latest": f"{site.url}/image.qcow2"}
        with pytest.raises(ImageError, match="from https to http"):
            fetch(f"{url}/latest", target)
