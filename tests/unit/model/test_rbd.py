"""RBD images as text."""

from __future__ import annotations

import pytest

from nebula.model.rbd import RbdSource, is_rbd, parse


@pytest.mark.parametrize(
    "source",
    [
        RbdSource(pool="one", image="nebula-1"),
        RbdSource(pool="one", image="a", user="libvirt", secret="5a1c", hosts=("10.0.0.1", "[fd00::2]:6789")),
        RbdSource(pool="one", image="a", conf="/etc/ceph/far&wide.conf"),
    ],
)
def test_the_text_says_all_of_it(source: RbdSource) -> None:
    assert is_rbd(source.text)
    assert parse(source.text) == source


@pytest.mark.parametrize("text", ["rbd:one", "/dev/sda", "rbd:one/a@snap", "rbd:one/a:conf=/etc/x", "rbd:one/a/b"])
def test_other_text_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no RBD image"):
        parse(text)
