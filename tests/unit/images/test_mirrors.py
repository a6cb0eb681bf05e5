"""Where images are fetched from instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.errors import UsageError
from nebula.images.mirrors import FILE, Mirrors

DEBIAN = "https://cloud.debian.org/images/"


def test_the_longest_beginning_counts_and_others_stay() -> None:
    mirrors = Mirrors.parse(
        f"# ours\n{DEBIAN} http://mirror.lan/d/\n\n{DEBIAN}cloud/trixie/ http://new.lan/  # newest\n", "mirrors"
    )
    assert mirrors.place_of(f"{DEBIAN}cloud/bookworm/x.qcow2") == "http://mirror.lan/d/cloud/bookworm/x.qcow2"
    assert mirrors.place_of(f"{DEBIAN}cloud/trixie/x.qcow2") == "http://new.lan/x.qcow2"
    assert mirrors.place_of("https://elsewhere.org/x") == "https://elsewhere.org/x"


@pytest.mark.parametrize("line", [DEBIAN, f"{DEBIAN} /srv/mirror", f"cloud.debian.org {DEBIAN}", f"{DEBIAN} http://a http://b"])
def test_a_line_that_says_something_else_is_an_error_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(f"\n{line}\n")
    with pytest.raises(UsageError, match=r"line 2 of .*mirrors"):
        Mirrors.load(tmp_path)


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert Mirrors.load(tmp_path).place_of(DEBIAN) == DEBIAN
