"""Templates as OpenNebula has them, as plain values: read and written in its own syntax and as XML, with user inputs."""

from __future__ import annotations

from nebula.model.template.inputs import UserInput, checked, read_inputs
from nebula.model.template.one import parse_one
from nebula.model.template.printing import print_one
from nebula.model.template.values import LARGEST, Template, Value, merged, plain
from nebula.model.template.xmlform import parse_xml, print_xml

__all__ = [
    "LARGEST",
    "Template",
    "UserInput",
    "Value",
    "checked",
    "merged",
    "parse_one",
    "parse_xml",
    "plain",
    "print_one",
    "print_xml",
    "read_inputs",
]
