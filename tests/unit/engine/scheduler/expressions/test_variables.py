"""Variables of the VM's template in its expressions."""

from __future__ import annotations

import pytest

from nebula.engine.scheduler.expressions import substituted
from nebula.errors import UsageError

TEMPLATE = {
    "NAME": "web",
    "MEMORY": 2048,
    "AUTO": True,
    "SELF": "$SELF",
    "NIC": [{"NETWORK": "lan", "MAC": "02:00"}, {"NETWORK": "dmz", "MAC": "02:01"}],
    "OS": {"ARCH": "x86_64"},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NAME = a", "NAME = a"),
        ('NAME = "$NAME-*"', 'NAME = "web-*"'),
        ("FREE_MEMORY > $MEMORY", "FREE_MEMORY > 2048"),
        ("A = $AUTO", "A = YES"),
        ("ARCH = $OS[ARCH]", "ARCH = x86_64"),
        ('A = "$NIC[MAC]"', 'A = "02:00"'),
        ('A = "$NIC[MAC, NETWORK=dmz]"', 'A = "02:01"'),
        ('A = $NIC[MAC, NETWORK="dmz"]', "A = 02:01"),
        ("A = \\$NAME", "A = $NAME"),
        ("$NAME$NAME", "webweb"),
    ],
)
def test_values_are_put_in(text: str, found: str) -> None:
    assert substituted(text, TEMPLATE) == found


@pytest.mark.parametrize(
    "text", ["$", "A = $1", "$NOBODY", "$OS", "$NIC", "$NIC[NOBODY]", "$NIC[MAC, NETWORK=wan]", "$NAME[MAC]", "$SELF"]
)
def test_what_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        substituted(text, TEMPLATE)
    assert caught.value.hint
    assert caught.value.cause.endswith("^")


def test_a_value_with_variables_cannot_go_in_circles() -> None:
    with pytest.raises(UsageError, match="holds a variable itself"):
        substituted("$SELF", TEMPLATE)
