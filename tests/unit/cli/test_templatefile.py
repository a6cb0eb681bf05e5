"""Templates in files, whichever way they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.cli.output.formats import json_text, yaml_text
from nebula.cli.templatefile import form_of, load, parse
from nebula.errors import UsageError
from nebula.model.template import Template, plain, print_one, print_xml
from tests.unit.model.template.strategies import sayable, templates

ONE = """
# a web server
NAME="web"
MEMORY=2048
SHARE=0.5
DISK=[ IMAGE="debian 12" ]
DISK=[ SIZE=10240 ]
CONTEXT=[ NETWORK=YES, SCRIPT="a
b" ]
"""
YAML = """
# a web server
name: web
memory: 2048
share: 0.5
disk:
  - image: debian 12
  - {size: 10240}
context:
  network: YES
  script: |-
    a
    b
"""
JSON = """
{"name": "web", "memory": 2048, "share": 0.5,
 "disk": [{"image": "debian 12"}, {"size": 10240}],
 "context": {"network": "YES", "script": "a\\nb"}}
"""
XML = """<TEMPLATE><NAME>web</NAME><MEMORY>2048</MEMORY><SHARE>0.5</SHARE><DISK><IMAGE>debian 12</IMAGE></DISK>
<DISK><SIZE>10240</SIZE></DISK><CONTEXT><NETWORK>YES</NETWORK><SCRIPT>a
b</SCRIPT></CONTEXT></TEMPLATE>"""
TEMPLATE = {
    "NAME": "web",
    "MEMORY": "2048",
    "SHARE": "0.5",
    "DISK": [{"IMAGE": "debian 12"}, {"SIZE": "10240"}],
    "CONTEXT": {"NETWORK": "YES", "SCRIPT": "a\nb"},
}


@pytest.mark.parametrize(
    ("text", "form"), [(ONE, "one"), (YAML, "yaml"), (JSON, "json"), (XML, "xml")], ids=lambda word: word[:4]
)
def test_the_same_template_in_every_way(text: str, form: str, tmp_path: Path) -> None:
    assert form_of(text) == form
    assert [plain(item) for item in parse(text, "web")] == [TEMPLATE]
    path = tmp_path / "web"
    path.write_text(f"\ufeff{text}")
    assert [plain(item) for item in load(str(path))] == [TEMPLATE]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("{memory: 2G}", "yaml"),
        ("[{memory: 2G}]", "yaml"),
        ("{}", "json"),
        ('{ "memory": "2G" }', "json"),
        ("memory: a=b", "yaml"),
        ("---\nmemory: 1", "yaml"),
        ("MEMORY\t= 1", "one"),
        ("  # x\n\n A=[", "one"),
        ("<A", "xml"),
        ("", "yaml"),
    ],
)
def test_how_a_text_is_written_is_seen_by_its_beginning(text: str, form: str) -> None:
    assert form_of(text) == form


def test_several_templates_in_one_file() -> None:
    assert len(parse("a: 1\n---\na: 2", "x")) == 2
    assert len(parse('[{"a": 1}, {"a": 2}]', "x")) == 2
    xml = "<VMTEMPLATE><NAME>a</NAME><TEMPLATE><CPU>1</CPU></TEMPLATE></VMTEMPLATE>"
    assert parse(f"<VMTEMPLATE_POOL>{xml}{xml}</VMTEMPLATE_POOL>", "x") == [{"NAME": "a", "CPU": "1"}] * 2


def test_json_says_what_yaml_says() -> None:
    said = '{"a": true, "b": null, "c": 1.50, "d": 12345678901234567890, "e": "\\ud83d\\ude00"}'
    assert parse(said, "x") == [{"a": "true", "b": "", "c": "1.50", "d": "12345678901234567890", "e": "😀"}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a template"),
        ("# nothing", "is not a template"),
        ("{}", "is not a template"),
        ('["a"]', "is not a template"),
        ('"a"', "is not a template"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('{"a": 1,\n "b" 2}', "x, line 2, column 6"),
        ('{"a":' * 100_000, "levels deep"),
        ('{"a":' * 20 + "1" + "}" * 20, "levels deep"),
        ("A=1\nB", "x, line 2, column 2"),
        ("<TEMPLATE>", "x, line 1, column 11"),
    ],
    ids=range(11),
)
def test_what_is_no_template_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "x")
    assert why in caught.value.message
    assert caught.value.hint


@given(templates().filter(bool))
def test_what_is_written_in_any_way_reads_the_same(template: Template) -> None:
    assert plain(parse(json_text(template), "x")[0]) == template
    assert plain(parse(yaml_text(template), "x")[0]) == template
    if all(sayable(value) for value in template.values()):
        assert plain(parse(print_one(template), "x")[0]) == template


@given(st.text(max_size=100) | st.text('{}[]":,<>=#/ \nA1', max_size=100))
def test_nothing_crashes(text: str) -> None:
    found: list[Template] = []
    told = ""
    try:
        found = parse(text, "x")
    except UsageError as error:
        told = error.hint
    assert bool(found) != bool(told), "templates, or what to do"
    assert all(isinstance(template, dict) for template in found)


ODD: tuple[Any, ...] = (
    {"a": {"b": {"c": 1}}},
    {"a": [[1]]},
    {"a": {"b": [1]}},
    {"a": "\x00"},
    {"a\n": 1},
    {"": 1},
    {"a": 1, "A": 2},
)


@pytest.mark.parametrize("given_value", ODD, ids=json.dumps)
def test_what_no_template_can_hold_is_refused(given_value: Any) -> None:
    with pytest.raises(UsageError):
        plain(given_value)


def test_values_of_programs_become_texts() -> None:
    assert plain({"a": True, "b": None, "c": 1.5, "d-e": [1], "f": [], "g": [1, {"h": False}]}) == {
        "A": "YES", "B": "", "C": "1.5", "D_E": "1", "G": ["1", {"H": "NO"}],
    }  # fmt: skip
    assert print_xml(plain({"a": "b"})) == "<TEMPLATE>\n  <A><![CDATA[b]]></A>\n</TEMPLATE>\n"
