"""Values: what goes in comes out, in one form, and what could not come out the same is refused."""

# ruff: noqa: D101, D102 - the types stand for users' own, which say nothing

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import math
import subprocess
import sys
import typing
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from holdfast.authoring import codec as codec_module
from holdfast.authoring.choice import codec_for
from holdfast.authoring.models import ModelCodec
from holdfast.authoring.typed import TypedCodec
from holdfast.errors import DefinitionError, EncodeError, InputError, PayloadTooLargeError

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Odd(enum.Enum):
    """An enum that msgspec does not take."""

    HALF = 0.5


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    tags: frozenset[str] = frozenset()
    raw: bytes = b""


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict):
    name: str
    size: NotRequired[int]


class Event(msgspec.Struct):
    kind: str
    at: dt.datetime | None = None
    points: list[Point] = []


class Tagged(msgspec.Struct, tag="tagged", rename="camel"):
    some_value: int


class Inner(BaseModel):
    name: str
    size: Annotated[int, Field(ge=0)] = 0


class Outer(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    inner: Inner
    others: list[Inner] = []
    labels: set[str] = set()
    ratio: float | None = None
    named: int = Field(1, alias="Named")

    @pydantic.computed_field
    @property
    def doubled(self) -> int:
        return self.named * 2


class Node(msgspec.Struct):
    """A Struct that holds itself."""

    name: str
    children: list[Node] = []


class Row(msgspec.Struct, array_like=True):
    x: int
    y: str = ""


class Holder(msgspec.Struct):
    """A Struct with types that only pydantic knows."""

    inner: Inner
    path: Path


class Box(BaseModel, Generic[T]):
    value: T


UserId = NewType("UserId", int)

text = st.text(st.characters(exclude_categories=["Cs"]))
finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(timezones=st.just(dt.UTC))
points = st.builds(Point, st.integers(), finite, st.frozensets(text, max_size=3), st.binary(max_size=9))
inners = st.builds(Inner, name=text, size=st.integers(0))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3),
    max_leaves=10,
)

ROUND_TRIPS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, text),
    (int, st.integers()),
    (float, finite),
    (bool, st.booleans()),
    (None, st.none()),
    (Any, plain),
    (object, plain),
    (bytes, st.binary(max_size=50)),
    (str | None, st.none() | text),
    (int | str, st.integers() | text),
    (list[int], st.lists(st.integers(), max_size=5)),
    (dict[str, Any], st.dictionaries(text, plain, max_size=3)),
    (dict[int, str], st.dictionaries(st.integers(-(2**63), 2**63 - 1), text, max_size=3)),
    (tuple[int, ...], st.lists(st.integers(), max_size=3).map(tuple)),
    (tuple[int, str], st.tuples(st.integers(), text)),
    (set[str], st.sets(text, max_size=5)),
    (frozenset[int], st.frozensets(st.integers(), max_size=5)),
    (Literal["a", 1], st.sampled_from(["a", 1])),
    (Color, st.sampled_from(Color)),
    (Level, st.sampled_from(Level)),
    (dt.datetime, moments),
    (dt.date, st.dates()),
    (dt.time, st.times()),
    (dt.timedelta, st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    (uuid.UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (Path, text.filter(lambda each: "\0" not in each).map(Path)),
    (PurePosixPath, text.filter(lambda each: "\0" not in each).map(PurePosixPath)),
    (UserId, st.integers()),
    (Point, points),
    (Pair, st.builds(Pair, st.integers(), text)),
    (Options, st.fixed_dictionaries({"name": text}, optional={"size": st.integers()})),
    (Event, st.builds(Event, text, st.none() | moments, st.lists(points, max_size=2))),
    (list[Event | None], st.lists(st.none() | st.builds(Event, text), max_size=2)),
    (Tagged, st.builds(Tagged, st.integers())),
    (Node, st.recursive(st.builds(Node, text), lambda inner: st.builds(Node, text, st.lists(inner, max_size=2)))),
    (list[Row], st.lists(st.builds(Row, st.integers(), text), max_size=3)),
    (list[Inner | Node], st.lists(inners | st.builds(Node, text, st.lists(st.builds(Node, text))), max_size=3)),
    (Inner, inners),
    (
        Outer,
        st.builds(Outer, inner=inners, others=st.lists(inners, max_size=2), labels=st.sets(text), named=st.integers()),
    ),
    (list[Inner | Point], st.lists(inners | points, max_size=3)),
    (list[Inner | Tagged], st.lists(inners | st.builds(Tagged, st.integers()), max_size=3)),
    (dict[str, list[Inner]], st.dictionaries(text, st.lists(inners, max_size=2), max_size=2)),
    (Holder, st.builds(Holder, inners, st.sampled_from([Path("/a"), Path("b/c")]))),
    (Box[Inner], st.builds(Box[Inner], value=inners)),
    (Mapping[str, int], st.dictionaries(text, st.integers(), max_size=3)),
    (Sequence[str], st.lists(text, max_size=3)),
    (Annotated[int, Field(gt=0)], st.integers(1)),
    (Annotated[list[Options], "a note"], st.lists(st.fixed_dictionaries({"name": text}), max_size=2)),
    (Odd | None, st.sampled_from([Odd.HALF, None])),
    (Box[set[str]], st.builds(Box[set[str]], value=st.sets(text))),
]


@pytest.mark.parametrize(
    ("annotation", "values"), ROUND_TRIPS, ids=lambda each: str(each) if not isinstance(each, st.SearchStrategy) else ""
)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_value_comes_back_as_it_was(annotation, values, data):
    """Every value of every supported type survives its journey, and so does its form on a second one."""
    codec = codec_for(annotation, "it")
    value = data.draw(values)
    payload = codec.encode(value)
    again = codec.decode(payload)
    assert again == value
    assert codec.encode(again) == payload


@given(plain)
def test_plain_values_of_bare_containers_come_back(value):
    """`dict` and `list` without parameters take any JSON."""
    for annotation in (dict, list):
        if isinstance(value, annotation):
            codec = codec_for(annotation, "it")
            assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("annotation", "value", "payload"),
    [
        (bytes, b"\xff\xfe", b'"//4="'),
        (Color, Color.RED, b'"red"'),
        (Point, Point(1, 2.0, frozenset("cab"), b"\xff"), b'{"x":1,"y":2.0,"tags":["a","b","c"],"raw":"/w=="}'),
        (Tagged, Tagged(3), b'{"type":"tagged","someValue":3}'),
        (Outer, Outer(inner=Inner(name="i"), labels={"z", "y"}), None),
        (Any, {"a": (1, 2), "s": {3, 1}, 5: None, True: 1.5}, b'{"a":[1,2],"s":[1,3],"5":null,"true":1.5}'),
        (Any, Point(1), b'{"x":1,"y":0.0,"tags":[],"raw":""}'),
        (Any, Inner(name="i"), b'{"name":"i","size":0}'),
        (Any, [Event("k"), Color.BLUE, Decimal("1.50"), Path("/a")], None),
    ],
)
def test_the_form_is_the_documented_one(annotation, value, payload):
    """Bytes are base64, enums their value, sets sorted lists; without a type, a value is written as JSON can say it."""
    written = codec_for(annotation, "it").encode(value)
    if payload is not None:
        assert written == payload
    assert codec_for(Any, "it").decode(written) is not None


def test_a_set_has_one_form_in_every_process():
    """Sets of text are written alike whatever PYTHONHASHSEED is: a replay must see the same input."""
    program = (
        "from typing import Any\nfrom pydantic import BaseModel\nfrom holdfast.authoring.choice import codec_for\n"
        "class M(BaseModel):\n    s: set[str]\n    m: list['M'] = []\n"
        "s = {f'k{n}' for n in range(50)}\n"
        "for annotation, value in ((Any, [s]), (set[str], s), (M, M(s=s, m=[M(s=s)])), (list[M], [M(s=s)])):\n"
        "    print(codec_for(annotation, 'it').encode(value))\n"
    )
    forms = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(forms) == 1


class Ratio(BaseModel):
    ratio: float | None = None
    deep: dict[str, Any] = {}


class Measure(msgspec.Struct):
    values: list[float | None]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("annotation", "wrap", "place"),
    [
        (float, lambda bad: bad, ""),
        (Any, lambda bad: bad, "/"),
        (Any, lambda bad: {"a": [1, bad]}, "/a/1"),
        (list[float], lambda bad: [1.0, bad], "/1"),
        (dict[str, float | None], lambda bad: {"x": bad}, "/x"),
        (Point, lambda bad: Point(1, bad), "/y"),
        (Measure, lambda bad: Measure([bad]), "/values/0"),
        (Ratio, lambda bad: Ratio(ratio=bad), "/ratio"),
        (list[Ratio], lambda bad: [Ratio(), Ratio(ratio=bad)], "/1/ratio"),
        (Ratio, lambda bad: Ratio(deep={"a": [bad]}), "/deep/a/0"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_by_place(annotation, wrap, place, bad):
    """NaN and infinity never become null; the error says where they are."""
    with pytest.raises(EncodeError, match="not a finite number") as caught:
        codec_for(annotation, "it").encode(wrap(bad))
    assert place in caught.value.reason


ring: list[Any] = []
ring.append(ring)
deep: Any = None
for _ in range(100_000):
    deep = [deep]


@pytest.mark.parametrize("annotation", [Any, list, list[Any], dict[str, Any] | list[Any], Box[Any]])
@pytest.mark.parametrize(
    "value", [object(), [object()], ring, deep, ["\ud800"], lambda: None, [10**5000]], ids=range(7)
)
def test_what_json_cannot_say_is_refused(annotation, value):
    """Objects, cycles, endless depth, lone surrogates and absurd integers are EncodeErrors, never anything else."""
    with pytest.raises(EncodeError):
        codec_for(annotation, "it").encode(Box(value=value) if annotation is Box[Any] else value)


@pytest.mark.parametrize(
    ("annotation", "value", "declared", "found"),
    [
        (str, 5, "str", "int"),
        (str, None, "str", "None"),
        (int, "5", "int", "str"),
        (int, 5.0, "int", "float"),
        (float, "5", "float", "str"),
        (bool, 1, "bool", "int"),
        (None, {}, "None", "dict"),
        (list[int], ["a"], "list[int]", "list"),
        (list[int], None, "list[int]", "None"),
        (dict[str, int], {"a": None}, "dict[str, int]", "dict"),
        (Point, {"x": 1}, "Point", "dict"),
        (Point, Pair(1, "a"), "Point", "Pair"),
        (Event, {"kind": "k"}, "Event", "dict"),
        (Event, Event(5), "Event", "Event"),
        (list[Event], [Event("k", "yesterday")], "list", "list"),
        (Color, "red", "Color", "str"),
        (dt.datetime, "2026-01-01T00:00:00", "datetime", "str"),
        (Inner, {"name": "i"}, "Inner", "dict"),
        (Inner, None, "Inner", "None"),
        (list[Inner], [{"name": "i"}], "Inner", "dict"),
        (Inner | None, Point(1), "Inner", "Point"),
        (Options, {"size": 1}, "Options", "dict"),
        (Literal["a"], "b", "Literal['a']", "str"),
    ],
)
def test_a_value_of_another_type_is_refused_with_both_names(annotation, value, declared, found):
    """The error of a wrong value says what was declared and what came."""
    with pytest.raises(EncodeError) as caught:
        codec_for(annotation, "the result of work").encode(value)
    assert declared in str(caught.value)
    assert found in str(caught.value)
    assert "the result of work" in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value", "same"),
    [
        (int, True, 1),
        (int, Level.HIGH, 2),
        (float, 5, 5.0),
        (str, enum.StrEnum("Word", {"A": "a"}).A, "a"),
        (list[int], (1, 2), [1, 2]),
        (list[float], [1], [1.0]),
        (Sequence[int], range(3), [0, 1, 2]),
    ],
)
def test_a_value_that_is_one_in_pythons_sense_travels(annotation, value, same):
    """An int is a float, a StrEnum a str, a tuple a sequence: they arrive as what was declared."""
    codec = codec_for(annotation, "it")
    assert codec.decode(codec.encode(value)) == same


BROKEN = [b"", b"NaN", b"[NaN]", b'{"a":Infinity}', b"1e999", b"[1e999]", b"[" * 100_000, b'{"a":' * 100_000]
BROKEN += [b'"\\ud800"', b'"\xff"', b'{"\xff":1}', b"1 2", b"[1,", b"\x00", b"1" * 5000, b"nul"]


@pytest.mark.parametrize("payload", BROKEN, ids=lambda each: repr(each[:12]))
@pytest.mark.parametrize(
    "annotation",
    [Any, str, int, float, None, list[Any], Point, Event, Inner, Outer, Box[Any], Holder, dict[str, float]],
)
def test_text_that_is_no_json_is_an_input_error(annotation, payload):
    """NaN, bombs of depth, broken Unicode and cut texts are InputErrors, whatever was declared."""
    with pytest.raises(InputError):
        codec_for(annotation, "it").decode(payload)


@given(st.binary(max_size=40))
def test_no_bytes_get_past_the_codecs(payload):
    """Any bytes at all decode or are an InputError."""
    for annotation in (Any, int, Point, Event, Outer):
        with suppress(InputError):
            codec_for(annotation, "it").decode(payload)


def test_the_last_of_two_equal_keys_counts():
    """A key given twice is no error: the last one counts, as in every JSON library."""
    assert codec_for(Any, "it").decode(b'{"a":1,"a":2}') == {"a": 2}
    assert codec_for(Inner, "it").decode(b'{"name":"a","name":"b"}').name == "b"


@pytest.mark.parametrize(
    ("annotation", "payload", "pointers"),
    [
        (int, b'"a"', [""]),
        (
            Outer,
            b'{"inner":{"size":-1},"others":[{"name":"a"},{"name":5}],"Named":"x"}',
            ["/inner/name", "/inner/size", "/others/1/name", "/Named"],
        ),
        (Point, b'{"x":"a","y":"b"}', ["/x", "/y"]),
        (Event, b'{"points":[{"x":1},{"y":2}],"at":5}', ["/kind", "/at", "/points/1/x"]),
        (list[Event], b'[{"kind":1},{"kind":2}]', ["/0/kind", "/1/kind"]),
        (dict[str, list[int]], b'{"a/b":[1,"x"],"c~d":["y"]}', ["/a~1b/1", "/c~0d/0"]),
        (Tagged, b'{"type":"tagged","someValue":"x"}', ["/someValue"]),
        (Options, b'{"size":"x"}', ["/name", "/size"]),
        (Inner | None, b'{"size":"x"}', ["/name", "/size"]),
        (Node, b'{"children":[{"name":"a","children":[{"name":1}]}]}', ["/name", "/children/0/children/0/name"]),
        (list[Row], b'[[1],["x"]]', ["/1/0"]),
    ],
)
def test_every_wrong_field_is_named_by_its_pointer(annotation, payload, pointers):
    """An InputError lists all problems, each with the JSON pointer of its place."""
    with pytest.raises(InputError) as caught:
        codec_for(annotation, "it").decode(payload)
    assert sorted(pointer for pointer, _ in caught.value.problems) == sorted(pointers)
    assert all(text for _, text in caught.value.problems)


def test_an_input_error_does_not_quote_the_input():
    """What was sent may be a secret: neither the error nor what caused it repeats it."""
    with pytest.raises(InputError) as caught:
        codec_for(Outer, "it").decode(b'{"inner":"hunter2"}')
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_forgotten_await_is_named():
    """What has to be awaited is no value: the message says what may be missing, whatever type is declared."""

    async def later() -> int:
        return 1

    for annotation in (int, dict[str, int], Any):
        coroutine = later()
        with pytest.raises(EncodeError, match="not awaited: is an `await` missing"):
            codec_for(annotation, "the result of f").encode(coroutine)
        coroutine.close()
    with pytest.raises(EncodeError) as caught:
        codec_for(int, "the result of f").encode("x")
    assert str(caught.value) == "[HF401] the result of f does not fit: it is declared as int, and this is str"


def test_a_payload_over_the_limit_is_refused(monkeypatch):
    """Every codec keeps to payload_bytes_max and says so."""
    for name in ("codec", "plain", "typed", "models"):
        module = sys.modules[f"holdfast.authoring.{name}"]
        monkeypatch.setattr(module, "PAYLOAD_BYTES_MAX", 10)
    assert codec_module.PAYLOAD_BYTES_MAX == 10
    for annotation, value in (
        (str, "a" * 20),
        (Any, ["a" * 20]),
        (list[str], ["a" * 20]),
        (Inner, Inner(name="a" * 20)),
    ):
        with pytest.raises(PayloadTooLargeError, match="payload_bytes_max"):
            codec_for(annotation, "it").encode(value)


class Utf8(BaseModel):
    raw: bytes


def test_a_model_that_writes_bytes_as_text_says_what_to_set():
    """Pydantic writes bytes of models as UTF-8 unless told otherwise; the error names the setting."""
    with pytest.raises(EncodeError, match="ser_json_bytes"):
        codec_for(Utf8, "it").encode(Utf8(raw=b"\xff"))


class Login(BaseModel):
    user: str
    password: pydantic.SecretStr


def test_a_secret_is_refused_rather_than_masked():
    """Pydantic writes a SecretStr as asterisks, which would arrive as the password; text of asterisks is fine."""
    codec = codec_for(Login, "it")
    with pytest.raises(EncodeError, match="secret"):
        codec.encode(Login(user="u", password="hunter2"))
    inner = codec_for(Inner, "it")
    assert inner.decode(inner.encode(Inner(name="**********"))) == Inner(name="**********")


def test_two_keys_of_one_form_are_refused():
    """`1` and `"1"` are one key in JSON: one of the values would be lost."""
    with pytest.raises(EncodeError, match="both written '1'"):
        codec_for(Any, "it").encode({1: "a", "1": "b"})


class Strange:
    pass


class Refuses(BaseModel):
    name: str

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        raise KeyError(name)


@pytest.mark.parametrize("annotation", [Strange, list[Strange], Strange | None])
def test_a_type_nobody_knows_is_a_definition_error(annotation):
    """A type that cannot travel is found when its codec is made, with the types that can."""
    with pytest.raises(DefinitionError, match="cannot travel") as caught:
        codec_for(annotation, "argument 'x' of work")
    assert "argument 'x' of work" in str(caught.value)
    assert "Pydantic" in caught.value.remedy


def test_a_validator_that_raises_anything_is_an_input_error():
    """Users' validators may raise what they like: the input did not fit."""
    with pytest.raises(InputError, match="KeyError"):
        codec_for(Refuses, "it").decode(b'{"name":"x"}')


class Moody:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not today")

    __hash__ = None  # type: ignore[assignment]


def test_a_value_whose_methods_raise_is_an_encode_error():
    """A broken __eq__ or __len__ of a value ends in EncodeError."""
    with pytest.raises(EncodeError):
        codec_for(Any, "it").encode({"a": Moody()})


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (list[str], TypedCodec),
        (Point, TypedCodec),
        (Event, TypedCodec),
        (Options, TypedCodec),
        (Inner, ModelCodec),
        (Point | Pair | None, TypedCodec),
        (Point | Event, ModelCodec),
        (Annotated[int, Field(gt=1)], ModelCodec),
    ],
)
def test_the_faster_library_is_chosen_where_it_knows_the_type(annotation, kind):
    """Msgspec where it can, pydantic where it must."""
    assert type(codec_for(annotation, "it")) is kind


def test_pydantic_is_not_imported_for_types_that_do_not_need_it():
    """Decorating and running functions of plain types leaves pydantic alone: it costs 100 ms."""
    program = (
        "import sys, typing, dataclasses\nfrom holdfast.authoring.choice import codec_for\n"
        "codec = codec_for(dict[str, list[int]] | None, 'it')\nassert codec.decode(codec.encode({'a': [1]}))\n"
        "print('pydantic' in sys.modules, 'fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_base64_is_the_standard_alphabet():
    """Bytes are written as other languages expect them."""
    raw = bytes(range(256))
    assert codec_for(bytes, "it").encode(raw) == f'"{base64.b64encode(raw).decode()}"'.encode()


def test_a_typing_typed_dict_works_inside_pydantic_types_on_every_python():
    """`typing.TypedDict` travels together with models although pydantic refuses it before Python 3.12."""
    codec = codec_for(list[Options | Inner], "it")
    values = [{"name": "a", "size": 1}, Inner(name="b")]
    assert typing.is_typeddict(Options)
    assert codec.decode(codec.encode(values)) == [{"name": "a", "size": 1}, {"name": "b", "size": 0}]
