"""What a guest is told at its start: context variables, the script that carries them, and the CD around it."""

from __future__ import annotations

from nebula.engine.context.change import changed
from nebula.engine.context.check import check_context
from nebula.engine.context.files import file_references
from nebula.engine.context.gate import GateContext, asks_token, token_file
from nebula.engine.context.hostname import legal_hostname
from nebula.engine.context.iso import MAX_ISO, build_iso
from nebula.engine.context.nic import NicContext
from nebula.engine.context.script import render
from nebula.engine.context.variables import variables

__all__ = [
    "MAX_ISO",
    "GateContext",
    "NicContext",
    "asks_token",
    "build_iso",
    "changed",
    "check_context",
    "file_references",
    "legal_hostname",
    "render",
    "token_file",
    "variables",
]
