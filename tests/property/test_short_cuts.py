"""What is quick where there is little to do finds what the long way finds."""

from __future__ import annotations

import jmespath
from hypothesis import given
from hypothesis import strategies as st

from holdfast.authoring import Expression
from holdfast.observe import SECRET_HINT, SECRET_PATTERNS

NAMES = st.sampled_from(["a", "b", "keys", "true", "null", "_x1"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(SECRET_PATTERNS).flatmap(lambda each: st.from_regex(each.regex)))
def test_no_secret_is_without_a_hint(text: str) -> None:
    """Whatever a pattern finds has a hint in it, so that texts without one need not be looked at."""
    assert SECRET_HINT.search(text)


@given(VALUES, st.lists(NAMES, min_size=1, max_size=4))
def test_names_lead_where_jmespath_goes(value: object, names: list[str]) -> None:
    """An expression of nothing but names finds what JMESPath's own interpreter finds."""
    text = ".".join(names)
    assert Expression(text, "it").find(value) == jmespath.search(text, value)
