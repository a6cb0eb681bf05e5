"""The context CD, read back by another program."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.context import MAX_ISO, build_iso
from nebula.errors import UsageError

FILES = {"context.sh": b"A='1'\n", "token.txt": b"t" * 5000, "empty": b"", "Long file name (2).tar.gz": b"\x00\xff" * 3000}
SECTOR = 2048


def _isoinfo(image: Path, *options: str) -> bytes:
    return subprocess.run(["isoinfo", *options, "-i", str(image)], capture_output=True, check=True, timeout=30).stdout


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "context.iso"
    path.write_bytes(build_iso(FILES, made=1e9))
    return path


def test_label_and_extensions(image: Path) -> None:
    description = _isoinfo(image, "-d").decode()
    assert "Volume id: CONTEXT\n" in description
    assert "Joliet with UCS level 3 found" in description
    assert "Rock Ridge signatures version 1 found" in description


@pytest.mark.parametrize("extension", ["-R", "-J"])
def test_every_file_is_there_with_its_name_and_content(image: Path, extension: str) -> None:
    listed = _isoinfo(image, extension, "-f").decode().split("\n")
    assert sorted(name.removeprefix("/") for name in listed if name) == sorted(FILES)
    for name, content in FILES.items():
        assert _isoinfo(image, extension, "-x", f"/{name}") == content


def test_a_reader_without_extensions_finds_the_script(image: Path) -> None:
    assert _isoinfo(image, "-x", "/CONTEXT.SH;1") == FILES["context.sh"]


def test_the_date_is_the_given_one_everywhere(image: Path) -> None:
    listing = _isoinfo(image, "-R", "-l").decode()
    assert listing.count("Sep  9 2001") == len(FILES) + 2
    content = image.read_bytes()
    for descriptor in (16, 17):
        for offset in (813, 830, 864):
            start = descriptor * SECTOR + offset
            assert content[start : start + 17] == b"2001090901464000\0"


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True), st.binary(max_size=5000), max_size=5),
    st.randoms(),
)
def test_the_same_files_give_the_same_bytes(files: dict[str, bytes], random: Random) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)
    assert build_iso(files, made=5.0) == build_iso(dict(shuffled), made=5.0)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "a\n", "a:b", "x" * 65, "🙂", "q?", "back\\slash"])
def test_names_that_cannot_be_on_a_cd_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        build_iso({name: b""})


def test_names_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(UsageError):
        build_iso({"A": b"", "a": b""})


def test_too_much_is_refused() -> None:
    with pytest.raises(UsageError, match="bytes"):
        build_iso({"a": bytes(MAX_ISO), "b": b"1"})
    with pytest.raises(UsageError, match="files"):
        build_iso({f"f{number}": b"" for number in range(1001)})


def test_files_of_the_same_lengths_differ_in_nothing_but_their_bytes_and_date(tmp_path: Path) -> None:
    first, second = (
        build_iso({"context.sh": b"A='1'\n", "b": b"one"}),
        build_iso({"context.sh": b"B='2'\n", "b": b"two"}, made=1e9),
    )
    path = tmp_path / "second.iso"
    path.write_bytes(second)
    assert _isoinfo(path, "-R", "-x", "/context.sh") == b"B='2'\n"
    assert _isoinfo(path, "-R", "-x", "/b") == b"two"
    assert build_iso({"context.sh": b"A='1'\n", "b": b"one"}) == first, "filling one in leaves no trace in the next"


def test_what_looks_like_a_date_in_a_file_is_left_alone(tmp_path: Path) -> None:
    content = struct.pack("7B", 199, 11, 29, 23, 58, 57, 0) + b"2099112923585700\0"
    path = tmp_path / "dates.iso"
    path.write_bytes(build_iso({"context.sh": content}, made=1e9))
    assert _isoinfo(path, "-R", "-x", "/context.sh") == content


def test_a_hundred_files_fit() -> None:
    assert build_iso({f"file-{number}": b"x" for number in range(100)})[16 * SECTOR + 1 : 16 * SECTOR + 6] == b"CD001"
