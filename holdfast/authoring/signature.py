"""How a call travels: a function's arguments and result as JSON text, by its own annotations.

Owns: the payload rule, binding arguments, schemas of whole calls.
Must not know: tasks, workflows, how single values are written.

The payload rule
================

No parameter: `null`. One parameter: its bare value. Several: an object by parameter name that holds the arguments
that were given, in the order of the parameters, so that a call has one form however it was written. `*args` and
`**kwargs` are an array and an object under their own names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Final

import msgspec

from holdfast.authoring.annotations import definition_names, is_plain, resolve_annotations
from holdfast.authoring.choice import codec_for
from holdfast.authoring.codec import (
    DECODE_FAILURES,
    PAYLOAD_BYTES_MAX,
    Schema,
    ValueCodec,
    describe_decode_failure,
    encode_json,
    refuse_size,
)
from holdfast.authoring.pointers import pointer
from holdfast.authoring.schemas import collect, document, object_of
from holdfast.errors import DefinitionError, EncodeError, InputError

_NULL: Final = b"null"
_VARIADIC: Final = frozenset({Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD})
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter, ready to travel."""

    name: str
    kind: Any
    codec: ValueCodec
    default: Any
    """`Parameter.empty` where there is none."""
    prefix: bytes
    """`"name":`"""
    default_payload: bytes | None
    """The default as JSON text; None where there is none or it has no JSON form."""

    @property
    def required(self) -> bool:
        """Whether a call has to give it."""
        return self.default is Parameter.empty and self.kind not in _VARIADIC


@dataclass(frozen=True, slots=True)
class _Plan:
    arguments: tuple[Argument, ...]
    result: ValueCodec
    single: Callable[[Any], bytes] | None
    """Encodes the only argument, when it can be given by position and is not variadic."""
    simple: bool
    """Every parameter can be given by position and by name."""
    required: int


class CallSignature:
    """The types of one function's calls. Made once per function; adapters are made when first needed."""

    __slots__ = ("_function", "_names", "_parameters", "_plan", "_skip_self", "name")

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        skip_self: bool = False,
        name: str | None = None,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe calls of `function`.

        Args:
            function: any function; its annotations are resolved when first needed.
            skip_self: whether the first parameter is the instance.
            name: what errors call it; its qualified name by default.
            namespace: further names its annotations may use, such as those of its class.

        Raises:
            DefinitionError: it has no signature.
        """
        self.name: str = name or getattr(function, "__qualname__", None) or repr(function)
        self._function = function
        self._skip_self = skip_self
        self._names = {**(namespace or {}), **definition_names(function)}
        self._plan: _Plan | None = None
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError) as error:
            raise DefinitionError(f"{self.name} has no signature: {error}") from None
        if skip_self:
            if not parameters or parameters[0].kind not in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}:
                raise DefinitionError(f"{self.name} takes no `self`", remedy="Give it one: def name(self, ...)")
            parameters = parameters[1:]
        self._parameters = tuple(parameters)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters a caller sees: without `self`."""
        return self._parameters

    def prepare(self) -> None:
        """Resolve the annotations and make every adapter now rather than at the first call.

        Raises:
            DefinitionError: an annotation cannot be resolved, or its values cannot travel.
        """
        self._plan or self._make_plan()

    # --- Arguments -------------------------------------------------------------------------------------------

    def encode_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """Return a call's arguments as JSON text.

        Raises:
            TypeError: the function cannot be called like that.
            EncodeError, PayloadTooLargeError: an argument cannot travel.
        """
        plan = self._plan or self._make_plan()
        if plan.single is not None and len(args) == 1 and not kwargs:
            return plan.single(args[0])
        if plan.simple and plan.required <= len(args) <= len(plan.arguments) and not kwargs:
            given = list(zip(plan.arguments, args, strict=False))
        else:
            given = self._bind(plan, args, kwargs)
        if len(plan.arguments) == 1:
            return _encode_only(plan.arguments[0], given)
        if not plan.arguments:
            return _NULL
        payload = b"{" + b",".join([each.prefix + each.codec.encode(value) for each, value in given]) + b"}"
        return payload if len(payload) <= PAYLOAD_BYTES_MAX else refuse_size(f"the input of {self.name}", payload)

    def decode_call(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return (positional, named) arguments of a call from its JSON text.

        Raises:
            InputError: it does not fit; every wrong field is named.
        """
        plan = self._plan or self._make_plan()
        if len(plan.arguments) == 1:
            only = plan.arguments[0]
            return _spread(only, _decode_only(only, payload))
        if not plan.arguments:
            if payload.strip() not in {_NULL, b"", b"{}"}:
                raise InputError(f"the input of {self.name}", (("", "expected null: it takes no arguments"),))
            return (), {}
        return self._decode_several(plan, payload)

    def _bind(self, plan: _Plan, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[Argument, Any]]:
        try:
            bound = inspect.Signature(self._parameters).bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}") from None
        for name in [each.name for each in plan.arguments if each.kind is Parameter.VAR_POSITIONAL]:
            bound[name] = list(bound.get(name, ()))  # bound as a tuple, travels as a list
        return [(each, bound[each.name]) for each in plan.arguments if each.name in bound]

    def _decode_several(self, plan: _Plan, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        what = f"the input of {self.name}"
        try:
            members = _decode_members(payload)
        except DECODE_FAILURES as error:
            raise InputError(what, (("", describe_decode_failure(error)),)) from None
        problems: list[tuple[str, str]] = []
        positional: list[Any] = []
        named: dict[str, Any] = {}
        gap = False
        for each in plan.arguments:
            raw = members.pop(each.name, None)
            if raw is None:
                if each.required:
                    problems.append((pointer(each.name), "missing"))
                elif each.kind is Parameter.POSITIONAL_ONLY:
                    positional.append(each.default)
                elif each.kind is Parameter.POSITIONAL_OR_KEYWORD:
                    gap = True  # what follows has to go by name
                continue
            try:
                value = each.codec.decode(raw)
            except InputError as error:
                problems.extend((pointer(each.name) + at, problem) for at, problem in error.problems)
                continue
            match each.kind:
                case Parameter.VAR_POSITIONAL if gap and value:
                    problems.append((pointer(each.name), "given without the parameters before it"))
                case Parameter.VAR_POSITIONAL:
                    positional.extend(value)
                case Parameter.VAR_KEYWORD:
                    named.update(value)
                case Parameter.KEYWORD_ONLY:
                    named[each.name] = value
                case Parameter.POSITIONAL_ONLY:
                    positional.append(value)
                case _ if gap:
                    named[each.name] = value
                case _:
                    positional.append(value)
        problems.extend((pointer(name), "unexpected") for name in members)
        if problems:
            raise InputError(what, tuple(problems))
        return tuple(positional), named

    # --- Results ---------------------------------------------------------------------------------------------

    def encode_result(self, value: Any) -> bytes:
        """Return what the function returned as JSON text; raises EncodeError, PayloadTooLargeError."""
        return (self._plan or self._make_plan()).result.encode(value)

    def decode_result(self, payload: bytes) -> Any:
        """Return the function's result from JSON text; raises InputError."""
        return (self._plan or self._make_plan()).result.decode(payload)

    # --- Schemas ---------------------------------------------------------------------------------------------

    def input_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of a call's payload."""
        plan = self._plan or self._make_plan()
        if not plan.arguments:
            return document({"type": "null"})
        members = {each.name: _schema_of(each) for each in plan.arguments}
        if len(plan.arguments) == 1:
            return document(collect(members[plan.arguments[0].name]))
        return document(object_of(members, [each.name for each in plan.arguments if each.required]))

    def output_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of a result."""
        return document(collect((self._plan or self._make_plan()).result.schema("output")))

    # --- Once per function -----------------------------------------------------------------------------------

    def _make_plan(self) -> _Plan:
        hints = resolve_annotations(self._function, self._names)
        arguments = tuple(
            _argument(each, hints.get(each.name, Parameter.empty), self.name) for each in self._parameters
        )
        returns = hints.get("return", Parameter.empty)
        only = arguments[0] if len(arguments) == 1 else None
        by_position = only is not None and only.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
        self._plan = _Plan(
            arguments=arguments,
            result=codec_for(returns, f"the result of {self.name}"),
            single=only.codec.encode if only is not None and by_position else None,
            simple=all(each.kind is Parameter.POSITIONAL_OR_KEYWORD for each in arguments),
            required=sum(each.required for each in arguments),
        )
        self._names = {}  # what they were kept for is done
        return self._plan


def _argument(parameter: Parameter, annotation: Any, function: str) -> Argument:
    what = f"argument {parameter.name!r} of {function}"
    if parameter.kind is Parameter.VAR_POSITIONAL:
        annotation = list if is_plain(annotation) else list[annotation]
    elif parameter.kind is Parameter.VAR_KEYWORD:
        annotation = dict[str, Any] if is_plain(annotation) else dict[str, annotation]
    codec = codec_for(annotation, what)
    default_payload = None
    if parameter.default is not Parameter.empty:
        try:
            default_payload = codec.encode(parameter.default)
        except EncodeError:
            default_payload = None  # such as a sentinel: it is given by not being there
    prefix = encode_json(parameter.name) + b":"
    return Argument(parameter.name, parameter.kind, codec, parameter.default, prefix, default_payload)


def _encode_only(argument: Argument, given: list[tuple[Argument, Any]]) -> bytes:
    if given:
        return argument.codec.encode(given[0][1])
    if argument.kind is Parameter.VAR_POSITIONAL:
        return b"[]"
    if argument.kind is Parameter.VAR_KEYWORD:
        return b"{}"
    # Not given, so it has a default. A payload of one value has no way to leave it out.
    return argument.default_payload or _NULL


def _decode_only(argument: Argument, payload: bytes) -> Any:
    if argument.default is not Parameter.empty and argument.default_payload is None and payload == _NULL:
        return argument.default
    try:
        return argument.codec.decode(payload)
    except InputError:
        if argument.default is not Parameter.empty and payload == _NULL:
            return argument.default
        raise


def _spread(argument: Argument, value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    match argument.kind:
        case Parameter.VAR_POSITIONAL:
            return tuple(value), {}
        case Parameter.VAR_KEYWORD:
            return (), value
        case Parameter.KEYWORD_ONLY:
            return (), {argument.name: value}
        case _:
            return (value,), {}


def _schema_of(argument: Argument) -> Schema:
    schema = argument.codec.schema("input")
    if argument.default_payload is not None and "default" not in schema:
        schema = {**schema, "default": msgspec.json.decode(argument.default_payload)}
    return schema
