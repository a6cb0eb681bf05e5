"""Templates of every sort, for hypothesis."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from nebula.model.template import Template, plain
from nebula.model.template.values import Value

NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
CHARACTERS = st.one_of(
    st.sampled_from("\"\\=#[], \t\n\r'{}:|<>&;$]]>é漢🙂"),
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
)
TEXTS = st.text(CHARACTERS, max_size=30)
VECTORS = st.dictionaries(NAMES.map(str.upper), TEXTS, max_size=5)
VALUES: st.SearchStrategy[Value] = st.one_of(TEXTS, VECTORS)
ITEMS: st.SearchStrategy[Value | list[Value]] = st.one_of(VALUES, st.lists(VALUES, min_size=2, max_size=4))


def templates() -> st.SearchStrategy[Template]:
    """Templates that can be written in every way."""
    return st.dictionaries(NAMES.map(str.upper), ITEMS, max_size=8).map(plain)


def sayable(value: Value | list[Value]) -> bool:
    """Whether OpenNebula's syntax has words for the value: none for one with blanks that ends in a backslash."""
    if isinstance(value, list):
        return all(sayable(item) for item in value)
    texts = [value] if isinstance(value, str) else list(value.values())
    return not any(text.endswith("\\") and set(text) & set('=#[], \t\r\n"') for text in texts)
