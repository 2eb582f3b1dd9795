"""Answers that are given again to whoever asks the very same, apart from what a provider's cache does.

Owns: what is the very same; looking an answer up, and keeping one.
Must not know: how a model is asked, where answers are kept.

A prompt cache saves computing the beginning of a prompt again, and every answer is a new one. Here nobody is asked: the
answer is the one that was given before, to all that makes a difference to it: whom is asked, with which settings, what
it is told, and the form that the answer is to have. What was asked is not kept, only its digest.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import HoldfastError
from holdfast.observe import logger
from holdfast.ports.books import books_here
from holdfast.ports.operations import KeepModelAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.ai.endpoints import Endpoint
    from holdfast.ai.forms import Form

VERSION: Final = "1"
"""Of what makes a digest: another one finds nothing that was kept before."""
BYTES_MAX: Final = 1 << 20
"""An answer that is longer is not kept."""

log = logger("holdfast.ai")


class Memo:
    """What is kept of one model's answers."""

    def __init__(self, endpoint: Endpoint, settings: Mapping[str, Any], system: str, seconds: float) -> None:
        """Keep answers of `endpoint`, asked with `settings`, to prompts that begin with `system`, for so long each."""
        self._seconds = seconds
        model = "" if endpoint.local is None else endpoint.local.described.version
        said = msgspec.json.encode(dict(settings), enc_hook=repr, order="sorted").decode()
        self._asked = (VERSION, endpoint.name, endpoint.base_url, model, said, system)

    def digest(self, prompt: str, form: Form) -> str:
        """Return what an answer to a prompt is known by: hexadecimal SHA-256."""
        asked = msgspec.json.encode((*self._asked, prompt, form.described))
        return hashlib.sha256(asked).hexdigest()

    async def recall(self, digest: str) -> bytes | None:
        """Return an answer that was given before, as JSON text; None where there is none, or nobody can say."""
        books = books_here()
        if books is None:
            return None
        try:
            return await books.recall(digest)
        except HoldfastError as error:  # it is asked, then
            log.warning("what a model answered before could not be looked up", error=str(error))
            return None

    async def keep(self, digest: str, answer: bytes) -> None:
        """Keep an answer, given as JSON text."""
        books = books_here()
        if books is None or len(answer) > BYTES_MAX:
            return
        try:
            await books.keep(KeepModelAnswer(digest, answer, self._seconds))
        except HoldfastError as error:  # the answer is there
            log.warning("what a model answered could not be kept", error=str(error))
