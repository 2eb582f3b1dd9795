"""Arbitrary programs and arbitrary happenings, for Hypothesis.

Owns: the strategies, which shrink programs and happenings alike.
Must not know: what programs do, how happenings are acted out, the laws that are checked.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from hypothesis import strategies as st

from tests.acts import LEAVES, MANY, ONE, TWO, Node, Program

Nodes: TypeAlias = st.SearchStrategy[Node]


def _head(kind: str, *arguments: Any) -> Nodes:
    return st.tuples(st.just(kind), *(st.sampled_from(list(each)) for each in arguments))


def _with(head: st.SearchStrategy[Node], nodes: Nodes, least: int, most: int) -> Nodes:
    return st.builds(lambda head, rest: (*head, *rest), head, st.lists(nodes, min_size=least, max_size=most))


def _inner(nodes: Nodes) -> Nodes:
    return st.one_of(
        [_with(_head(*each), nodes, 1, 4) for each in MANY]
        + [_with(_head(*each), nodes, 1, 1) for each in ONE]
        + [_with(_head(*each), nodes, 2, 2) for each in TWO]
    )


programs: st.SearchStrategy[Program] = st.lists(
    st.recursive(st.one_of([_head(*each) for each in LEAVES]), _inner, max_leaves=12), min_size=1, max_size=5
).map(tuple)

_numbers = st.integers(0, 10_000)
happenings = st.lists(_numbers, max_size=60) | st.lists(_numbers, min_size=40, max_size=90)
