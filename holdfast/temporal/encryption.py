"""Payloads that leave this process for Temporal encrypted with the keys of its store.

Owns: where payloads are in what is sent and received, and how failures' words become payloads.
Must not know: ciphers, what a payload is about.

Theory of operation
===================

There are two doors. What workers send and receive passes the codec of the SDK's data converter, which knows every
payload of an activation; headers pass it too, because unread signals and options of tasks travel there. What clients
send are Temporal's own requests, which the SDK knows nothing about: `service_of` gives a service that encrypts each
payload of a request, and decrypts those of an answer. Search attributes stay as they are: Temporal searches by them.

What cannot be decrypted is an error for a worker, whose workflow task waits for somebody with the key; in an answer it
stays as it is, so that one such run does not keep a list from the others, and whoever reads it gets the error.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import msgspec
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadCodec, PayloadConverter
from temporalio.service import WorkflowService

from holdfast.errors import EncryptionError
from holdfast.history import Codec
from holdfast.history.temporal import KEY_ID, SEALED, Attributes, seal, unseal
from holdfast.temporal.payloads import write_payload

HIDDEN: Final = "Encoded failure"
"""What a failure says whose words are encrypted: as Temporal's SDKs have it."""
SEALED_TEXT: Final = f"{SEALED}: "
"""What an encrypted text begins with, where Temporal has no place for a payload."""
_SEALED: Final = SEALED.encode()


class SealingCodec(PayloadCodec):
    """Encrypts payloads. See the module's theory of operation."""

    def __init__(self, codec: Codec) -> None:
        """Encrypt with `codec`."""
        self.codec = codec

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return payloads encrypted."""
        return [self.seal(each) for each in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return payloads decrypted; those from before there were keys as they are. Raises EncryptionError."""
        return [self.open(each) for each in payloads]

    def seal(self, payload: Payload) -> Payload:
        """Return a payload encrypted."""
        content = seal(payload.metadata, payload.data, self.codec)
        return Payload(metadata={"encoding": _SEALED, KEY_ID: self.codec.key_ids[0].encode()}, data=content)

    def open(self, payload: Payload) -> Payload:
        """Return a payload decrypted; one that is not encrypted as it is. Raises EncryptionError."""
        if payload.metadata.get("encoding") != _SEALED:
            return payload
        metadata, data = unseal(payload.data, self.codec)
        return Payload(metadata=metadata, data=data)


class SealedFailures(DefaultFailureConverter):
    """Has the words of failures, and of what caused them, in payloads, which are encrypted as others are."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Write an exception as a failure."""
        super().to_failure(exception, payload_converter, failure)
        hide(failure)

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Read a failure as an exception."""
        read = Failure()
        read.CopyFrom(failure)
        reveal(read)
        return super().from_failure(read, payload_converter)


def converter_of(codec: Codec, converter: DataConverter | None = None) -> DataConverter:
    """Return the data converter that encrypts, and otherwise does what `converter` does."""
    return dataclasses.replace(
        converter or DataConverter.default, payload_codec=SealingCodec(codec), failure_converter_class=SealedFailures
    )


def is_sealing(converter: DataConverter) -> bool:
    """Say whether a data converter encrypts with keys of ours."""
    return isinstance(converter.payload_codec, SealingCodec)


def encrypting(codec: Codec | None) -> dict[str, Any]:
    """Return what a client is told besides, so that all that passes it is encrypted."""
    if codec is None:
        return {}
    return {"data_converter": converter_of(codec), "header_codec_behavior": HeaderCodecBehavior.CODEC}


def sealing_of(client: Client) -> SealingCodec | None:
    """Return what a client encrypts with; None where it does not."""
    codec = client.data_converter.payload_codec
    return codec if isinstance(codec, SealingCodec) else None


def codec_of(client: Client) -> Codec | None:
    """Return the keys of a client; None where it has none."""
    sealing = sealing_of(client)
    return None if sealing is None else sealing.codec


def service_of(client: Client) -> WorkflowService:
    """Return Temporal's service as a client calls it, with payloads that are encrypted outside of this process."""
    sealing = sealing_of(client)
    service = client.workflow_service
    return service if sealing is None else cast("WorkflowService", _SealedService(service, sealing))


class _SealedService:
    def __init__(self, service: WorkflowService, sealing: SealingCodec) -> None:
        self._service = service
        self._sealing = sealing

    def __getattr__(self, name: str) -> Any:
        call, sealing = getattr(self._service, name), self._sealing

        async def sealed(request: Message, **options: Any) -> Any:
            sent = type(request)()
            sent.CopyFrom(request)
            for each in _payloads_in(sent):
                each.CopyFrom(sealing.seal(each))
            return open_message(await call(sent, **options), sealing)

        return sealed


def open_message(message: Any, sealing: SealingCodec | None) -> Any:
    """Decrypt the payloads in a message of Temporal's, as far as the keys are known; return it."""
    if sealing is not None:
        for payload in _payloads_in(message):
            with contextlib.suppress(EncryptionError):  # whoever needs it says so
                payload.CopyFrom(sealing.open(payload))
        for each in _messages_in(message):
            if isinstance(each, Failure):
                _reveal_one(each)
    return message


def seal_text(text: str, codec: Codec | None) -> str:
    """Return what a failure says that Temporal hands on as a text alone, encrypted where there are keys."""
    if codec is None:
        return text
    return SEALED_TEXT + base64.b64encode(seal({}, text.encode(), codec)).decode()


def open_text(text: str, codec: Codec | None) -> str:
    """Return what such a failure says. Raises EncryptionError."""
    if not text.startswith(SEALED_TEXT):
        return text
    return unseal(base64.b64decode(text.removeprefix(SEALED_TEXT)), codec)[1].decode()


def hide(failure: Failure) -> None:
    """Move the words of a failure, and of its causes, to where they are encrypted.

    That a payload cannot be decrypted may be read by all: it says which key is missing, and by whom it was would be
    hidden with the wrong one.
    """
    while True:
        told = failure.application_failure_info.type == EncryptionError.__name__
        told = told or failure.message.startswith(SEALED_TEXT)
        if not failure.HasField("encoded_attributes") and not told:
            said = Attributes(failure.message, failure.stack_trace)
            failure.encoded_attributes.CopyFrom(write_payload(msgspec.json.encode(said)))
            failure.message, failure.stack_trace = HIDDEN, ""
        if not failure.HasField("cause"):
            return
        failure = failure.cause


def reveal(failure: Failure) -> None:
    """Move the words of a failure, and of its causes, back to where they belong."""
    while True:
        _reveal_one(failure)
        if not failure.HasField("cause"):
            return
        failure = failure.cause


def _reveal_one(failure: Failure) -> None:
    if not failure.HasField("encoded_attributes"):
        return
    try:
        said = msgspec.json.decode(failure.encoded_attributes.data, type=Attributes)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return  # encrypted with a key that is not known, or somebody else's
    failure.message, failure.stack_trace = said.message, said.stack_trace
    failure.ClearField("encoded_attributes")


def _payloads_in(message: Message) -> list[Payload]:
    return [each for each in _messages_in(message) if isinstance(each, Payload)]


def _messages_in(message: Message) -> Iterator[Message]:
    """Yield a message and all in it, but for search attributes."""
    waiting = [message]
    while waiting:
        each = waiting.pop()
        if isinstance(each, SearchAttributes):
            continue
        yield each
        for field, value in each.ListFields():
            kind = field.message_type
            if kind is None:
                continue
            if kind.GetOptions().map_entry:
                if kind.fields_by_name["value"].message_type is not None:
                    waiting += value.values()
            elif isinstance(value, Message):
                waiting.append(value)
            else:
                waiting += value
