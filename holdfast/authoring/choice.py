"""Which codec reads and writes values of a declared type.

Owns: the choice.
Must not know: how any codec works.
"""

from __future__ import annotations

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
