"""Calls: the payload rule, wrong calls, annotations written as text, schemas."""

# ruff: noqa: D101, D103 - the types and functions stand for users' own, which say nothing

from __future__ import annotations

import functools
import gc
import inspect
import json
import sys
import weakref
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, Field

from holdfast.authoring.signature import CallSignature
from holdfast.errors import DefinitionError, EncodeError, InputError, PayloadTooLargeError

if TYPE_CHECKING:
    from decimal import Decimal

MISSING = object()


class Order(BaseModel):
    id: str
    amount: int = Field(1, ge=0)


class Line(msgspec.Struct):
    order: Order
    count: int = 1


def nothing() -> None: ...
def one(path: str) -> str: ...
def one_default(path: str = "a") -> None: ...
def one_optional(path: str | None = "a") -> None: ...
def one_sentinel(path=MISSING): ...
def one_named(*, path: str) -> None: ...
def rest(*items: int) -> None: ...
def named(**items: int) -> None: ...
def two(path: str, count: int = 1) -> None: ...
def keyword(path: str, *, count: int = 1, size: int = 2) -> None: ...
def positional(path: str, count: int = 1, /, size: int = 2) -> None: ...
def everything(a: int, /, b: str, *rest: float, c: Order | None = None, **more: list[int]) -> Line: ...
def untyped(task_id, payload): ...


CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    (nothing, (), {}, "null"),
    (one, ("x",), {}, '"x"'),
    (one, (), {"path": "x"}, '"x"'),
    (one_default, (), {}, '"a"'),
    (one_optional, (None,), {}, "null"),
    (one_optional, (), {}, '"a"'),
    (one_sentinel, (), {}, "null"),
    (one_named, (), {"path": "x"}, '"x"'),
    (rest, (1, 2), {}, "[1,2]"),
    (rest, (1,), {}, "[1]"),
    (rest, (), {}, "[]"),
    (named, (), {"x": 1}, '{"x":1}'),
    (named, (), {}, "{}"),
    (two, ("x",), {}, '{"path":"x"}'),
    (two, ("x", 2), {}, '{"path":"x","count":2}'),
    (two, (), {"count": 2, "path": "x"}, '{"path":"x","count":2}'),
    (keyword, ("x",), {"size": 3}, '{"path":"x","size":3}'),
    (positional, ("x",), {"size": 3}, '{"path":"x","size":3}'),
    (positional, ("x", 5, 6), {}, '{"path":"x","count":5,"size":6}'),
    (
        everything,
        (1, "b", 0.5, 1.5),
        {"c": Order(id="o"), "x": [1], "y": []},
        '{"a":1,"b":"b","rest":[0.5,1.5],"c":{"id":"o","amount":1},"more":{"x":[1],"y":[]}}',
    ),
    (everything, (1, "b"), {}, '{"a":1,"b":"b","rest":[]}'),
    (untyped, ("t1", {"a": [1]}), {}, '{"task_id":"t1","payload":{"a":[1]}}'),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "payload"), CALLS)
def test_a_call_has_the_documented_form_and_comes_back(function, args, kwargs, payload):
    """One parameter is bare, several are an object in their order; decoding gives a call with the same meaning."""
    signature = CallSignature(function)
    written = signature.encode_call(args, kwargs)
    assert written.decode() == payload
    again = signature.decode_call(written)
    assert _meaning(function, *again) == _meaning(function, args, kwargs)


def _meaning(function, args, kwargs):
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (nothing, (1,), {}),
        (one, (), {}),
        (one, ("a", "b"), {}),
        (one, ("a",), {"path": "b"}),
        (one, (), {"other": "b"}),
        (two, (), {"count": 2}),
        (two, ("a", 1, 2), {}),
        (keyword, ("a", 1), {}),
        (positional, (), {"path": "a"}),
        (named, (1,), {}),
    ],
)
def test_a_wrong_call_is_a_type_error_that_names_the_function(function, args, kwargs):
    """Missing and unexpected arguments are TypeErrors where the call is, as in Python."""
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) "):
        CallSignature(function).encode_call(args, kwargs)


def test_an_argument_that_does_not_fit_is_named():
    """An argument of another type is refused where the call is, by its name."""
    with pytest.raises(EncodeError, match="argument 'count' of two"):
        CallSignature(two).encode_call(("a", "b"), {})


@pytest.mark.parametrize(
    ("function", "payload", "pointers"),
    [
        (nothing, b"5", [""]),
        (one, b"5", [""]),
        (two, b"5", [""]),
        (two, b'{"count":"x","more":1}', ["/path", "/count", "/more"]),
        (everything, b'{"a":"x","rest":[1,"y"],"c":{"amount":-1}}', ["/a", "/b", "/rest/1", "/c/id", "/c/amount"]),
        (everything, b'{"a":1,"b":"b","more":{"x":["y"]},"z":1}', ["/more/x/0", "/z"]),
        (untyped, b'{"task_id":1}', ["/payload"]),
        (two, b'{"path":"\\ud800"}', [""]),
        (two, b'{"path":NaN}', [""]),
        (one_named, b"null", [""]),
    ],
)
def test_input_that_does_not_fit_names_every_wrong_field(function, payload, pointers):
    """All problems of all arguments are in one error, by JSON pointer."""
    with pytest.raises(InputError) as caught:
        CallSignature(function).decode_call(payload)
    assert sorted(pointer for pointer, _ in caught.value.problems) == sorted(pointers)


def test_a_default_stands_in_for_null_where_null_does_not_fit():
    """A single parameter with a default may be started with nothing."""
    assert CallSignature(one_default).decode_call(b"null") == (("a",), {})
    assert CallSignature(one_optional).decode_call(b"null") == ((None,), {})
    assert CallSignature(one_sentinel).decode_call(b"null") == ((MISSING,), {})


@pytest.mark.parametrize("payload", [b'{"size":1,"count":2}', b'{"rest":[1],"a":1}'])
def test_arguments_that_only_an_attacker_leaves_out_are_an_input_error(payload):
    """A hostile object never becomes a call that Python refuses."""
    for function in (positional, everything):
        with pytest.raises(InputError):
            CallSignature(function).decode_call(payload)


def gaps(a: int = 1, b: int = 2, *rest: int, c: int = 3) -> None: ...


@given(st.dictionaries(st.sampled_from(["a", "b", "rest", "c"]), st.integers() | st.lists(st.integers(), max_size=2)))
def test_whatever_decodes_can_be_called(members):
    """A payload that is accepted gives arguments that Python accepts too, each in its place."""
    try:
        args, kwargs = CallSignature(gaps).decode_call(json.dumps(members).encode())
    except InputError:
        return
    meaning = _meaning(gaps, args, kwargs)
    assert all(meaning[name] == (tuple(value) if name == "rest" else value) for name, value in members.items())


def test_self_is_no_argument():
    """A method's payload is what its caller gives."""

    class Flow:
        def approve(self, by: str) -> None: ...
        def odd() -> None: ...

    assert CallSignature(Flow.approve, skip_self=True).encode_call(("ops",), {}) == b'"ops"'
    with pytest.raises(DefinitionError, match="self"):
        CallSignature(Flow.odd, skip_self=True)


def test_annotations_as_text_find_local_types():
    """A type that only exists in the function where the definition stands is found, and nothing else is kept."""
    signature, order, gone = _local_definition()
    gc.collect()
    assert gone() is None
    assert signature.encode_call(order, {}) == b'{"a":{"x":1},"b":{"y":{"x":2}}}'


def _local_definition():
    class Local(BaseModel):
        x: int

    class Bystander: ...

    kept_by_nobody = Bystander()

    class Flow:
        class Nested(BaseModel):
            y: Local

        def handler(self, a: Local, b: Nested) -> list[Local]: ...

        signature = CallSignature(handler, skip_self=True)

    Local.model_rebuild()
    Flow.Nested.model_rebuild(_types_namespace={"Local": Local})
    return Flow.signature, (Local(x=1), Flow.Nested(y=Local(x=2))), weakref.ref(kept_by_nobody)


def test_an_annotation_that_cannot_be_found_says_so():
    """A name from `if TYPE_CHECKING:` is an error that says what to change, when the types are first needed."""

    def pay(amount: Decimal) -> None: ...

    with pytest.raises(DefinitionError, match="'Decimal'") as caught:
        CallSignature(pay).prepare()
    assert "TYPE_CHECKING" in caught.value.remedy
    assert "test_signature.py" in caught.value.where


def test_a_type_that_cannot_travel_names_the_argument():
    """`prepare` finds what could never be called, and where."""

    def work(socket: json.JSONDecoder) -> None: ...

    with pytest.raises(DefinitionError, match="argument 'socket' of"):
        CallSignature(work).prepare()


@pytest.mark.parametrize("function", [nothing, one, one_default, two, keyword, everything, untyped, rest, named])
def test_schemas_are_valid_and_take_what_the_codec_takes(function):
    """Input schemas are JSON Schema 2020-12 and agree with the codec on calls and on nonsense."""
    signature = CallSignature(function)
    schema = signature.input_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = Draft202012Validator(schema)
    Draft202012Validator(signature.output_schema())
    for each, args, kwargs, _ in CALLS:
        if each is function:
            assert validator.is_valid(json.loads(signature.encode_call(args, kwargs)))
    for nonsense in ({"a": "x"}, [[]], 5.5, {"path": 5, "count": "x"}):
        text = json.dumps(nonsense).encode()
        try:
            signature.decode_call(text)
        except InputError:
            assert not validator.is_valid(nonsense)


def test_schemas_of_equal_names_do_not_mix():
    """Two types of one name keep their own definitions."""

    def make(field: type) -> type:
        class Item(BaseModel):
            value: field

        return Item

    first, second = make(int), make(str)

    def work(a, b): ...

    work.__annotations__ = {"a": list[first], "b": list[second]}
    schema = CallSignature(work).input_schema()
    assert [each["properties"]["value"]["type"] for each in schema["$defs"].values()] == ["integer", "string"]
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"a": [{"value": 1}], "b": [{"value": "x"}]})
    assert not validator.is_valid({"a": [{"value": "x"}], "b": [{"value": "x"}]})
    assert not validator.is_valid({"a": [{"value": 1}], "b": [{"value": 1}]})


def test_a_schema_tells_defaults():
    """A parameter that may be left out shows its default."""
    properties = CallSignature(keyword).input_schema()["properties"]
    assert properties["count"]["default"] == 1
    assert CallSignature(keyword).input_schema()["required"] == ["path"]


def test_a_whole_call_keeps_to_the_limit(monkeypatch):
    """Arguments that fit one by one may be too much together."""
    monkeypatch.setattr(sys.modules["holdfast.authoring.signature"], "PAYLOAD_BYTES_MAX", 30)
    with pytest.raises(PayloadTooLargeError, match="payload_bytes_max"):
        CallSignature(two).encode_call(("x" * 20, 1), {})


def test_wrapped_functions_keep_their_types():
    """functools.wraps does not hide the signature."""

    @functools.wraps(one)
    def wrapper(*args, **kwargs): ...

    assert CallSignature(wrapper).encode_call(("a",), {}) == b'"a"'
