"""Arbitrary events, by the types of their fields: a new kind of event is covered the day it is added.

Owns: Hypothesis strategies for events and payloads.
Must not know: which sequences of events an execution could have written.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from holdfast.history import AnyEvent, Attempt, Failure, WorkflowStarted, encode_attributes

texts = st.text(st.characters(codec="utf-8"), max_size=20)
times = st.floats(min_value=-1e9, max_value=1e11, allow_nan=False) | st.sampled_from([0.0, 1.5, 1e300, 1700000000.1])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
json_payloads = st.one_of(
    values.map(msgspec.json.encode),
    values.map(lambda value: json.dumps(value, indent=1).encode()),
    values.map(lambda value: json.dumps(value, ensure_ascii=True).encode()),
    st.sampled_from([b"1e5", b" null ", b'{"a":1,"a":2}', b"[" * 90 + b"]" * 90, b'"\\u00e9"', b"1.0", b"-0.0"]),
)
payloads = json_payloads | st.binary(max_size=40)
failures = st.recursive(
    st.builds(Failure, texts, texts, texts, st.booleans(), st.none()),
    lambda inner: st.builds(Failure, texts, texts, texts, st.booleans(), inner),
    max_leaves=3,
)
literals = (
    texts.filter(lambda text: "\x00" not in text)
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
).map(lambda value: encode_attributes({"x": value})["x"])
attempts = st.lists(st.builds(Attempt, st.integers(1, 9), times, times, texts, st.none() | failures), max_size=3).map(
    tuple
)


def _field(info: msgspec.structs.FieldInfo) -> st.SearchStrategy[Any]:
    optional = type(None) in getattr(info.type, "__args__", ())
    match info.name, info.type:
        case (("input" | "result"), _):
            return payloads | st.none() if optional else payloads
        case (("failure" | "first_failure"), _):
            return failures | st.none() if optional else failures
        case "attempts", _:
            return attempts
        case "attributes", _:
            return st.dictionaries(texts, literals, max_size=3)
        case (("memo" | "keys"), _):
            return st.dictionaries(texts, texts, max_size=3)
        case _, kind if kind is float:
            return times
        case _, kind if kind is int:
            return st.integers(-1, 2**63 - 1)
        case _, kind if kind is bool:
            return st.booleans()
        case _, kind if kind is str:
            return texts
        case _, kind if kind is bytes:
            return st.binary(max_size=16)
        case name, kind:
            raise AssertionError(f"no strategy for {name}: {kind}")


def _event(kind: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{info.name: _field(info) for info in msgspec.structs.fields(kind)})


KINDS: dict[str, st.SearchStrategy[Any]] = {kind.__name__: _event(kind) for kind in AnyEvent.__args__}
events = st.one_of(list(KINDS.values()))
starts = _event(WorkflowStarted)
