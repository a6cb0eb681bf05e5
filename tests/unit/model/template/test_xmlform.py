"""OpenNebula's XML form of templates."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.errors import UsageError
from nebula.model.template import Template, parse_xml, print_xml
from tests.unit.model.template.strategies import templates

SHOWN = """<?xml version="1.0"?>
<VMTEMPLATE>
  <ID>3</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME>
  <NAME>web</NAME>
  <PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M></PERMISSIONS>
  <REGTIME>1700000000</REGTIME>
  <TEMPLATE>
    <CPU><![CDATA[1]]></CPU>
    <DISK><IMAGE><![CDATA[debian]]></IMAGE></DISK>
    <DISK><SIZE><![CDATA[1024]]></SIZE></DISK>
    <CONTEXT><START_SCRIPT><![CDATA[a <b> & "c"
d]]></START_SCRIPT></CONTEXT>
    <EMPTY></EMPTY>
  </TEMPLATE>
</VMTEMPLATE>
"""
TEMPLATE = {
    "NAME": "web",
    "CPU": "1",
    "DISK": [{"IMAGE": "debian"}, {"SIZE": "1024"}],
    "CONTEXT": {"START_SCRIPT": 'a <b> & "c"\nd'},
    "EMPTY": "",
}


def test_what_onetemplate_shows() -> None:
    assert parse_xml(SHOWN) == [TEMPLATE]
    body = SHOWN.partition("?>")[2]
    assert parse_xml(f"<VMTEMPLATE_POOL>{body}{body}</VMTEMPLATE_POOL>") == [TEMPLATE, TEMPLATE]
    assert parse_xml("<TEMPLATE><a>1</a></TEMPLATE>") == [{"A": "1"}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<TEMPLATE>", "line 1, column 11: no element found"),
        ("<TEMPLATE>\n<A></B></TEMPLATE>", "line 2, column 6: mismatched tag"),
        ("<VM><ID>1</ID></VM>", "<VM> is no template"),
        ("<VMTEMPLATE></VMTEMPLATE>", "holds one TEMPLATE"),
        ('<TEMPLATE><A x="1"/></TEMPLATE>', "has attributes"),
        ("<TEMPLATE><A><B><C>1</C></B></A></TEMPLATE>", "holds groups"),
        ("<TEMPLATE><A><B>1</B><B>2</B></A></TEMPLATE>", "has B twice"),
        ("<TEMPLATE><A><B><C><D><E/></D></C></B></A></TEMPLATE>", "nested"),
        ("<TEMPLATE><A.B>1</A.B></TEMPLATE>", "no attribute name"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><TEMPLATE><A>&b;</A></TEMPLATE>', "DOCTYPE"),
        (f"<TEMPLATE>{'<A/>' * 5000}</TEMPLATE>", "more than 4096 values"),
    ],
)
def test_what_is_no_template_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_xml(text)
    assert why in caught.value.message
    assert caught.value.hint


def test_a_name_that_begins_with_a_digit_is_refused() -> None:
    odd: tuple[Template, ...] = ({"1A": "x"}, {"A": {"1A": "x"}})
    for template in odd:
        with pytest.raises(UsageError, match="1A begins with a digit"):
            print_xml(template)


def _without_empty_groups(template: Template) -> Template:
    return {
        name: [item or "" for item in value] if isinstance(value, list) else value or "" for name, value in template.items()
    }


@given(templates())
def test_what_is_written_reads_the_same(template: Template) -> None:
    named = {f"A{name}": value for name, value in template.items()}
    for value in [item for found in named.values() for item in (found if isinstance(found, list) else [found])]:
        if isinstance(value, dict):
            for key in [key for key in value if key[0].isdigit()]:
                value[f"A{key}"] = value.pop(key)
    assert parse_xml(print_xml(named)) == [_without_empty_groups(named)]


@given(st.text('<>/ABTEMPLATE&;"![]CDATA-x \n', max_size=200))
def test_nothing_crashes(text: str) -> None:
    for given_text in (text, f"<TEMPLATE>{text}</TEMPLATE>"):
        found: list[Template] = []
        with suppress(UsageError):
            found = parse_xml(given_text)
        assert [parse_xml(print_xml(template)) for template in found] == [[template] for template in found]
