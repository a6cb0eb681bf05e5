"""Cloud images that many people want, by a short name.

Where a distributor keeps an unchanging name for its newest build, that one is listed; the checksum is fetched from the same
place at the same time, over TLS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from nebula.errors import NotFoundError
from nebula.names import near

Arch = Literal["amd64", "arm64"]
GIB = 1 << 30


class CatalogueImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image. `checksum_url` is a file with checksums of kind `checksum` (in hexadecimal) that names the image.

    `user`: whom cloud-init gives the key; `min_disk`: bytes below which the system does not fit.
    """

    name: str
    arch: Arch
    url: str
    checksum_url: str
    checksum: Literal["sha256", "sha512"]
    user: str
    min_disk: int
    description: str
    format: Literal["qcow2", "raw"] = "qcow2"


class _Family(msgspec.Struct, frozen=True, kw_only=True):
    """A release; {arch} in the URLs stands for the distributor's word for the architecture, {file} for the image's name."""

    name: str
    description: str
    directory: str
    file: str
    sums: str
    checksum: Literal["sha256", "sha512"]
    user: str
    min_gib: int
    arches: tuple[tuple[Arch, str], ...]


_DEBIAN_ARCHES: tuple[tuple[Arch, str], ...] = (("amd64", "amd64"), ("arm64", "arm64"))
_RED_HAT_ARCHES: tuple[tuple[Arch, str], ...] = (("amd64", "x86_64"), ("arm64", "aarch64"))


def _debian(version: int, codename: str) -> _Family:
    return _Family(
        name=f"debian-{version}",
        description=f"Debian {version} ({codename})",
        directory=f"https://cloud.debian.org/images/cloud/{codename}/latest",
        file=f"debian-{version}-genericcloud-{{arch}}.qcow2",
        sums="SHA512SUMS",
        checksum="sha512",
        user="debian",
        min_gib=3,
        arches=_DEBIAN_ARCHES,
    )


def _ubuntu(version: str, codename: str) -> _Family:
    return _Family(
        name=f"ubuntu-{version}",
        description=f"Ubuntu {version} LTS ({codename})",
        directory=f"https://cloud-images.ubuntu.com/releases/{codename}/release",
        file=f"ubuntu-{version}-server-cloudimg-{{arch}}.img",
        sums="SHA256SUMS",
        checksum="sha256",
        user="ubuntu",
        min_gib=4,
        arches=_DEBIAN_ARCHES,
    )


def _fedora(version: int, build: str) -> _Family:
    return _Family(
        name=f"fedora-{version}",
        description=f"Fedora Cloud {version}",
        directory=f"https://dl.fedoraproject.org/pub/fedora/linux/releases/{version}/Cloud/{{arch}}/images",
        file=f"Fedora-Cloud-Base-Generic-{version}-{build}.{{arch}}.qcow2",
        sums=f"Fedora-Cloud-{version}-{build}-{{arch}}-CHECKSUM",
        checksum="sha256",
        user="fedora",
        min_gib=5,
        arches=_RED_HAT_ARCHES,
    )


def _alma(version: int) -> _Family:
    return _Family(
        name=f"alma-{version}",
        description=f"AlmaLinux OS {version}",
        directory=f"https://repo.almalinux.org/almalinux/{version}/cloud/{{arch}}/images",
        file=f"AlmaLinux-{version}-GenericCloud-latest.{{arch}}.qcow2",
        sums="CHECKSUM",
        checksum="sha256",
        user="almalinux",
        min_gib=10,
        arches=_RED_HAT_ARCHES,
    )


def _rocky(version: int) -> _Family:
    return _Family(
        name=f"rocky-{version}",
        description=f"Rocky Linux {version}",
        directory=f"https://dl.rockylinux.org/pub/rocky/{version}/images/{{arch}}",
        file=f"Rocky-{version}-GenericCloud-Base.latest.{{arch}}.qcow2",
        sums="{file}.CHECKSUM",
        checksum="sha256",
        user="rocky",
        min_gib=10,
        arches=_RED_HAT_ARCHES,
    )


def _centos(version: int) -> _Family:
    return _Family(
        name=f"centos-stream-{version}",
        description=f"CentOS Stream {version}",
        directory=f"https://cloud.centos.org/centos/{version}-stream/{{arch}}/images",
        file=f"CentOS-Stream-GenericCloud-{version}-latest.{{arch}}.qcow2",
        sums="{file}.SHA256SUM",
        checksum="sha256",
        user="cloud-user",
        min_gib=10,
        arches=_RED_HAT_ARCHES,
    )


def _leap(version: str, prefix: str) -> _Family:
    return _Family(
        name=f"opensuse-leap-{version}",
        description=f"openSUSE Leap {version}",
        directory=f"https://download.opensuse.org/distribution/leap/{version}/appliances",
        file=f"{prefix}Leap-{version}-Minimal-VM.{{arch}}-Cloud.qcow2",
        sums="{file}.sha256",
        checksum="sha256",
        user="opensuse",
        min_gib=4,
        arches=_RED_HAT_ARCHES,
    )


def _alpine(version: str, patch: int, arch: Arch, machine: str) -> _Family:
    return _Family(
        name=f"alpine-{version}",
        description=f"Alpine Linux {version}",
        directory=f"https://dl-cdn.alpinelinux.org/alpine/v{version}/releases/cloud",
        file=f"nocloud_alpine-{version}.{patch}-{{arch}}-{machine}-cloudinit-r0.qcow2",
        sums="{file}.sha512",
        checksum="sha512",
        user="alpine",
        min_gib=1,
        arches=((arch, dict(_RED_HAT_ARCHES)[arch]),),
    )


def _freebsd(version: str, arch: Arch, directory: str, word: str) -> _Family:
    return _Family(
        name=f"freebsd-{version.partition('.')[0]}",
        description=f"FreeBSD {version} (UFS)",
        directory=f"https://download.freebsd.org/releases/VM-IMAGES/{version}-RELEASE/{directory}/Latest",
        file=f"FreeBSD-{version}-RELEASE-{{arch}}-BASIC-CLOUDINIT-ufs.qcow2.xz",
        sums="CHECKSUM.SHA512",
        checksum="sha512",
        user="freebsd",
        min_gib=6,
        arches=((arch, word),),
    )


_ARCH_LINUX = _Family(
    name="arch",
    description="Arch Linux, rolling",
    directory="https://geo.mirror.pkgbuild.com/images/latest",
    file="Arch-Linux-{arch}-cloudimg.qcow2",
    sums="{file}.SHA256",
    checksum="sha256",
    user="arch",
    min_gib=2,
    arches=(("amd64", "x86_64"),),
)

_FAMILIES = (
    _debian(12, "bookworm"),
    _debian(13, "trixie"),
    _ubuntu("22.04", "jammy"),
    _ubuntu("24.04", "noble"),
    _ubuntu("26.04", "resolute"),
    _fedora(42, "1.1"),
    _fedora(43, "1.6"),
    _alma(9),
    _alma(10),
    _rocky(9),
    _rocky(10),
    _centos(9),
    _centos(10),
    _leap("15.6", "openSUSE-"),
    _leap("16.0", ""),
    _ARCH_LINUX,
    _alpine("3.22", 4, "amd64", "bios"),
    _alpine("3.22", 4, "arm64", "uefi"),
    _alpine("3.23", 4, "amd64", "bios"),
    _alpine("3.23", 4, "arm64", "uefi"),
    _freebsd("14.3", "amd64", "amd64", "amd64"),
    _freebsd("14.3", "arm64", "aarch64", "arm64-aarch64"),
)


def catalogue(arch: Arch | None = None) -> list[CatalogueImage]:
    """All images, or those of one architecture, in the order of the table."""
    return [image for family in _FAMILIES for image in _images(family) if arch in (None, image.arch)]


def lookup(name: str, arch: Arch = "amd64") -> CatalogueImage:
    """The image of that name; NotFoundError suggests names that are alike, or the architectures that there are."""
    wanted = name.strip().lower()
    by_arch = {image.arch: image for image in catalogue() if image.name == wanted}
    if arch in by_arch:
        return by_arch[arch]
    hint = "nebula image catalogue"
    if by_arch:
        raise NotFoundError(f"the catalogue has {wanted} for {', '.join(by_arch)} only, not for {arch}", hint=hint)
    alike = near(wanted, {image.name for image in catalogue()})
    hint = f"did you mean {' or '.join(alike)}?" if alike else hint
    raise NotFoundError(f"the catalogue has no image {name!r}", hint=hint)


def _images(family: _Family) -> Iterator[CatalogueImage]:
    for arch, word in family.arches:
        directory, file = family.directory.format(arch=word), family.file.format(arch=word)
        yield CatalogueImage(
            name=family.name,
            arch=arch,
            url=f"{directory}/{file}",
            checksum_url=f"{directory}/{family.sums.format(arch=word, file=file)}",
            checksum=family.checksum,
            user=family.user,
            min_disk=family.min_gib * GIB,
            description=family.description,
        )
