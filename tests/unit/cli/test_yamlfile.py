"""Templates in YAML from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.cli.template import regular
from nebula.cli.yamlfile import LARGEST, load, parse
from nebula.errors import NotFoundError, UsageError

GOOD = """
name: web
memory: 2G
cpus: 2
image: debian-12
disk:
  - size: 10G
    format: raw
nics: [lan, {network: dmz, mac: 52:54:00:12:34:56}]
context: {network: NO, token: 0123}
my_own: yes
"""


def test_keys_become_upper_case_and_sizes_mebibytes() -> None:
    assert regular(parse(GOOD, "web.yaml")[0]) == {
        "NAME": "web",
        "MEMORY": 2048,
        "VCPU": "2",
        "DISK": [{"IMAGE": "debian-12"}, {"TYPE": "fs", "SIZE": 10240, "FORMAT": "raw"}],
        "NIC": [{"NETWORK": "lan"}, {"NETWORK": "dmz", "MAC": "52:54:00:12:34:56"}],
        "CONTEXT": {"NETWORK": "NO", "TOKEN": "0123"},
        "MY_OWN": "yes",
    }


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("a: &x 1\nb: *x\n", "line 2", "alias"),
        ("a: 1\nb: 2\na: 3\n", "line 3", "twice"),
        ("a: [1, 2\nb: 3\n", "line 2", "expected"),
        ("a: b: c\n", "line 1", "mapping"),
        ("{[1]: 2}", "line 1", "key"),
        ("a: " + "[" * 40 + "]" * 40, "line 1", "deep"),
        ("a: \x01", "t.yaml", "character"),
        ("a: 1\n---\na: [\n", "line 4", "expected"),
    ],
)
def test_a_bad_document_is_one_error_that_says_where(text: str, where: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "t.yaml")
    assert where in caught.value.message
    assert problem in caught.value.message


def test_billion_laughs_is_refused_at_once() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(UsageError, match="alias"):
        parse("\n".join(lines), "laughs.yaml")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n", "42"])
def test_what_is_no_mapping_is_no_template(text: str) -> None:
    with pytest.raises(UsageError, match="not a template"):
        parse(text, "t.yaml")


def test_several_documents_are_several_templates() -> None:
    assert parse("---\nname: a\n---\nname: b\n---\n", "t.yaml") == [{"name": "a"}, {"name": "b"}]


@given(st.text(max_size=200))
def test_any_text_is_a_mapping_or_a_usage_error(text: str) -> None:
    try:
        found = parse(text, "t.yaml")
    except UsageError:
        return
    assert found
    assert all(isinstance(document, dict) for document in found)


def test_files_are_limited(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        load(str(tmp_path / "none.yaml"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(UsageError, match="larger"):
        load(str(tmp_path / "large.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(UsageError, match="UTF-8"):
        load(str(tmp_path / "latin.yaml"))
