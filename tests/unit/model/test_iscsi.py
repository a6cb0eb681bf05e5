"""LUNs as text."""

from __future__ import annotations

import pytest

from nebula.model.iscsi import IscsiSource, is_iscsi, parse

TARGET = "iqn.2026-01.org.example:san.a"


@pytest.mark.parametrize(
    "source",
    [
        IscsiSource(target=TARGET, lun=0, host="10.0.0.9"),
        IscsiSource(target=TARGET, lun=7, host="[fd00::2]:3261", user="nebula", secret="5a1c"),
        IscsiSource(target="eui.0123456789abcdef", lun=1, host="san:860", user="a@b", usage="of the hosts"),
    ],
)
def test_the_text_says_all_of_it(source: IscsiSource) -> None:
    assert is_iscsi(source.text)
    assert parse(source.text) == source


@pytest.mark.parametrize(
    ("host", "portal"),
    [("10.0.0.9", ("10.0.0.9", 3260)), ("san:860", ("san", 860)), ("[fd00::2]:1", ("fd00::2", 1)), ("[::1]", ("::1", 3260))],
)
def test_a_portal_has_a_name_and_a_port(host: str, portal: tuple[str, int]) -> None:
    assert IscsiSource(target=TARGET, lun=1, host=host).portal == portal


@pytest.mark.parametrize("text", [f"iscsi:{TARGET}?host=a", f"iscsi:{TARGET}/1", "iscsi:san/1?host=a", "/dev/sda", "rbd:a/b"])
def test_other_text_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="names no LUN"):
        parse(text)
