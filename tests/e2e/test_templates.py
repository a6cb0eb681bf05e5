"""Guests that are made of stored templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import OWN, SHARED, assert_would_boot
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

TEMPLATE = """
# a guest that says what it was told
NAME = "{name}"
MEMORY = 128
DISK = [ IMAGE = "{image}" ]
NIC = [ NETWORK = "lan" ]
CONTEXT = [ SET_HOSTNAME = "$SITE-$NAME" ]
USER_INPUTS = [ SITE = "M|text|Where it stands", PW = "O|password|A password||sesame-street" ]
"""


def images(cluster: Program) -> list[str]:
    """The names of all images."""
    return [row["name"] for row in cluster.json("image", "list", "-f", "json")]


@pytest.mark.parametrize("image", ["own", "common"])
def test_a_guest_is_told_the_answers_and_its_copies_live_on(
    cluster: Program, lab: LabHandle, guest_image: Path, tmp_path: Path, image: str
) -> None:
    """On the shared datastore it is read on the host what the guest would say: that is another place, not another guest."""

    def says(vm: str, hostname: str) -> None:
        if image == "common":
            assert_would_boot(cluster, lab, vm, guest_image, hostname)
            return
        address = str(cluster.vm(vm)["addresses"][0])
        eventually(lambda: guest_facts(address).get("hostname") == hostname, f"{vm} as {hostname}")

    name, file, before = f"site-{image}", tmp_path / "site.one", images(cluster)
    file.write_text(TEMPLATE.format(name=name, image=image))
    cluster.out("template", "create", "-f", str(file))
    asked = cluster.run("template", "instantiate", name)
    assert asked.returncode == 2
    assert "SITE (Where it stands)" in asked.stderr
    cluster.out("template", "instantiate", name, "--name", "web", "--input", "SITE=berlin")
    says("web", "berlin-web")
    assert "sesame-street" not in cluster.out("vm", "show", "web")
    cluster.out("template", "clone", name, f"{name}-copy", "--recursive")
    cluster.out("vm", "terminate", "web", "--hard")
    cluster.out("template", "instantiate", f"{name}-copy", "--name", "web", "--input", "SITE=rome")
    says("web", "rome-web")
    cluster.out("template", "instantiate", name, "--name", "kept", "--persistent", "--input", "SITE=oslo")
    says("kept", "oslo-kept")
    for vm in ("web", "kept"):
        cluster.out("vm", "terminate", vm, "--hard")
    cluster.out("template", "delete", f"{name}-copy", "kept", "--recursive")
    cluster.out("template", "delete", name)
    assert images(cluster) == before
    for host in ("h1", "h2"):
        assert lab.exec(host, "find", OWN, SHARED, "-name", "*.part", "-o", "-name", "*.lock") == ""
