"""Which codec reads and writes values of a declared type.

Owns: the choice.
Must not know: how any codec works.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from holdfast.authoring.annotations import is_plain, survey
from holdfast.authoring.codec import SCALARS, ScalarCodec, ValueCodec
from holdfast.authoring.plain import PlainCodec
from holdfast.authoring.typed import typed_codec


def codec_for(annotation: Any, what: str) -> ValueCodec:
    """Return the codec of values declared as `annotation`.

    Args:
        annotation: a resolved annotation; `inspect.Parameter.empty` where there is none.
        what: names the value in errors, such as "argument 'path' of fetch".

    Raises:
        DefinitionError: values of this type cannot travel.
    """
    kind: Any = type(None) if annotation is None else annotation
    if isinstance(kind, type) and kind in SCALARS:
        return ScalarCodec(kind, what)
    if is_plain(annotation):
        return PlainCodec(what)
    found = survey(annotation)
    if found.native or found.structs:
        codec = typed_codec(annotation, what, found)
        if codec is not None:
            return codec
    from holdfast.authoring.models import ModelCodec

    return ModelCodec(annotation, what)


def codec_of_result(function: Callable[..., Any], what: str) -> ValueCodec:
    """Return the codec of what a function says it returns; of plain JSON where it does not say, or nobody can tell.

    Args:
        function: any callable.
        what: names the value in errors.

    Raises:
        DefinitionError: such values cannot travel.
    """
    try:
        declared = typing.get_type_hints(function, include_extras=True).get("return", inspect.Parameter.empty)
    except Exception:  # noqa: BLE001 - a name only type checkers have, a callable without annotations
        declared = inspect.Parameter.empty
    return codec_for(declared, what)
