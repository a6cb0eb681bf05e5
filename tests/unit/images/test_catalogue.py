from __future__ import annotations

import re

import pytest

from nebula.errors import NotFoundError
from nebula.images.catalogue import CatalogueImage, catalogue, lookup


@pytest.mark.parametrize("image", catalogue(), ids=lambda image: f"{image.name}-{image.arch}")
def test_every_image_is_complete(image: CatalogueImage) -> None:
    assert re.fullmatch(r"https://[a-z0-9.-]+/[A-Za-z0-9._/-]+\.(qcow2|img)(\.xz)?", image.url)
    assert re.fullmatch(r"https://[A-Za-z0-9._/-]+", image.checksum_url)
    assert image.url.rpartition("/")[0] == image.checksum_url.rpartition("/")[0]
    assert image.min_disk >= 1 << 30
    assert image.user
    assert image.description


def test_names_are_unique_for_each_architecture() -> None:
    names = [(image.name, image.arch) for image in catalogue()]
    assert len(names) == len(set(names))


def test_lookup_finds_by_name_and_architecture() -> None:
    assert lookup("debian-12").url.endswith("debian-12-genericcloud-amd64.qcow2")
    assert lookup(" Debian-12 ", "arm64").url.endswith("arm64.qcow2")
    assert {image.arch for image in catalogue("arm64")} == {"arm64"}


def test_a_misspelt_name_gets_suggestions() -> None:
    with pytest.raises(NotFoundError, match="no image 'debain-12'") as caught:
        lookup("debain-12")
    assert "debian-12" in caught.value.hint


def test_a_missing_architecture_is_named() -> None:
    with pytest.raises(NotFoundError, match="amd64 only"):
        lookup("arch", "arm64")
