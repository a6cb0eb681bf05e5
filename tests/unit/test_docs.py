"""The documentation's examples work as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.docs_runner import Runner, blocks

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages' simulated cluster is made."""
    return tmp_path_factory.mktemp("demo")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page.read_text())], ids=lambda page: page.name)
def test_examples_print_what_the_page_says(tmp_path: Path, demo: Path, page: Path) -> None:
    differences = Runner(tmp_path, demo).check(page)
    assert not differences, "\n".join(differences)


def test_links_between_pages_lead_somewhere() -> None:
    broken = [f"{page.name}: {target}" for page in PAGES for target in links(page) if not (page.parent / target).exists()]
    assert not broken, "\n".join(broken)


def links(page: Path) -> list[str]:
    """Relative links outside code blocks."""
    return LINK.findall(re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
