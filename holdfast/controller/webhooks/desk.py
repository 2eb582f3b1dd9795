"""Where deliveries arrive: checked, noted, and carried out, in this order.

Owns: what is done with a delivery from its raw bytes to its answer; the inbox, and doing it again.
Must not know: HTTP, how anything is signed.

Theory of operation
===================

    verify   the raw body, before anything is read in it
    read     the body, its id, what it is about
    decide   which run, which signal, which input
    write    one commit: the delivery is noted, and what it means is done
    answer   the same for the same delivery, whoever asks, now and after a restart

What fails before the signature is known to be good is told to nobody but the inbox. What fails after that is told to
the sender too, and noted under the delivery's id: sent again, or done again from the inbox once the reason is gone, it
is carried out once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any, Final, NoReturn, cast

import msgspec

from holdfast.authoring import MessageHandler, Registry, Webhook, check_webhooks
from holdfast.controller.actors import engine_of, store_of
from holdfast.controller.inputs import recorded
from holdfast.controller.signals import takes_signal
from holdfast.controller.webhooks.bodies import Bodies
from holdfast.controller.webhooks.deciding import Facts, Meaning, Nothing, decide, fallback_key, read_facts
from holdfast.controller.webhooks.redaction import Redaction
from holdfast.controller.webhooks.signatures import kind_of
from holdfast.controller.webhooks.slack import Slack
from holdfast.errors import (
    BacklogFullError,
    DeliveryConflictError,
    DeliveryError,
    HoldfastError,
    InputError,
    SettingsError,
    SignatureError,
    StoreError,
    UnknownNameError,
)
from holdfast.observe import Meters, logger
from holdfast.ports.clock import Clock
from holdfast.ports.engine import Begin, Engine
from holdfast.ports.operations import (
    Carrying,
    Deliver,
    DeliveryRecord,
    DeliveryState,
    Gather,
    NotedDelivery,
    NoteDelivery,
    Operation,
    StartSignal,
)
from holdfast.ports.store import Store
from holdfast.ports.webhooks import Delivery

REFUSALS_NOTED_AT_A_TIME_MAX: Final = 50
"""How many refused deliveries wait to be written down at a time; of more, only their number goes to the log."""
REFUSED_BODY_BYTES_MAX: Final = 4_096
"""A longer body of a refused delivery is not kept."""
REASON_CHARACTERS_MAX: Final = 2_000

Headers = Sequence[tuple[bytes, bytes]]

log = logger("holdfast.controller")
_encode: Final = msgspec.json.Encoder().encode
_decode_headers: Final = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """What settings say about webhooks."""

    webhooks: Sequence[Webhook] = ()
    """Those declared there, beside those in code."""
    redact_keys: tuple[str, ...] = ()
    """Further names whose values are secret."""
    redact_patterns: tuple[str, ...] = ()
    """Regular expressions of further secrets."""
    redact_emails: bool = False
    """Whether mail addresses are not shown."""


async def _there_is_room() -> None:
    """Find that another run may be started."""


class Desk:
    """Takes what webhooks are sent."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        store: Store,
        clock: Clock,
        options: DeskOptions = DeskOptions(),
        check_room: Callable[[], Awaitable[None]] = _there_is_room,
        meters: Meters | None = None,
    ) -> None:
        """Serve the webhooks of `registry`, and further ones.

        Args:
            engine: starts and signals runs.
            registry: the workflows, and the webhooks declared in code.
            store: holds the inbox.
            clock: tells whether a signature is of about now.
            options: what settings say about webhooks.
            check_room: raises BacklogFullError while no more runs are to be started.
            meters: counts what was answered.

        Raises:
            DefinitionError: one of them cannot work.
            UnknownNameError: one starts a workflow, or sends a signal, that there is not.
            SettingsError: one of `redact_patterns` is no regular expression.
        """
        self._engine = engine
        self._registry = registry
        self._store = store
        self._clock = clock
        self._check_room = check_room
        self._meters = meters if meters is not None else Meters()
        self.redaction = Redaction(options.redact_keys, options.redact_patterns, emails=options.redact_emails)
        declared: dict[str, list[Webhook]] = {name: list(each) for name, each in registry.webhooks.items()}
        for each in options.webhooks:
            declared.setdefault(each.name, []).append(each)
        check_webhooks(declared)
        for each in (webhook for of_name in declared.values() for webhook in of_name):
            _check_start(registry, each)
            _check_signal(registry, each)
        self._declared: Mapping[str, Sequence[Webhook]] = declared
        self._bodies = Bodies(store)
        self._refusals = 0
        self._unnoted = 0

    @property
    def names(self) -> Collection[str]:
        """The names of all webhooks."""
        return self._declared.keys()

    def check(self) -> None:
        """Make sure that the secrets of all webhooks are where they should be. Raises SettingsError."""
        for name, (first, *_) in self._declared.items():
            try:
                first.verify.check()
            except SettingsError as error:
                words = f"webhook {name!r} cannot check signatures: {error.what}  ({first.where})"
                raise SettingsError(words, error.remedy) from None

    # --- Taking ------------------------------------------------------------------------------------------------------

    async def take(
        self, name: str, headers: Headers, read_body: Callable[[], Awaitable[bytes]]
    ) -> NotedDelivery | dict[str, Any]:
        """Take a delivery; once this returns it cannot be lost.

        Args:
            name: the webhook's.
            headers: of the request, as they came.
            read_body: returns the body; raises SignatureError when there is none that could be checked.

        Returns:
            What came of it; or what the sender wants to be told instead.

        Raises:
            UnknownNameError: there is no such webhook.
            SignatureError: it is not genuine, or a replay.
            InputError, DeliveryError: it is genuine, and makes no sense here; it is tried again when it is sent again.
            DeliveryConflictError: another body came under its id.
            RunNotFoundError, RunClosedError, RunConflictError: the run cannot be started or signalled.
            BacklogFullError: too many runs wait; nothing was noted.
        """
        declared = self._declared.get(name)
        if declared is None:
            raise UnknownNameError("webhook", name, ())
        try:
            taken = await self._take(declared, headers, read_body)
        except (StoreError, BacklogFullError):
            raise  # nothing came of it
        except SignatureError as error:
            self._meters.delivered(name, DeliveryState.REFUSED, kind_of(error.reason))
            raise
        except DeliveryConflictError:
            self._meters.delivered(name, DeliveryState.REFUSED, "conflict")
            raise
        except HoldfastError:
            self._meters.delivered(name, DeliveryState.FAILED)
            raise
        if isinstance(taken, NotedDelivery):
            self._meters.delivered(name, taken.state, "repeated" if taken.is_repeated else "")
        else:
            self._meters.delivered(name, DeliveryState.IGNORED)
        return taken

    async def _take(
        self, declared: Sequence[Webhook], headers: Headers, read_body: Callable[[], Awaitable[bytes]]
    ) -> NotedDelivery | dict[str, Any]:
        first = declared[0]
        body = b""
        try:
            body = await read_body()
            now = datetime.fromtimestamp(self._clock.now(), UTC)
            delivery = first.verify.verify(headers, body, now=now)
        except SignatureError as error:
            await self._note_refused(first, headers, body, error.reason)
            raise
        kept = self.redaction.headers(headers, first.verify.signature_headers)
        try:
            facts = read_facts(declared, delivery, kept)
        except (InputError, DeliveryError) as error:
            key = delivery.id or fallback_key(delivery)
            return await self._note_failed(
                first, delivery, Facts(key, delivery.event, {"webhook": first.name}), kept, error
            )
        if isinstance(first.verify, Slack) and facts.event == "url_verification":
            reason = "Slack asked whether there is somebody here, and was told"
            await self._write(self._note(first, delivery, facts, kept, DeliveryState.IGNORED, reason), facts)
            return {"challenge": facts.context["body"].get("challenge")}
        return await self._carry_out(declared, delivery, facts, kept)

    async def _carry_out(
        self,
        declared: Sequence[Webhook],
        delivery: Delivery,
        facts: Facts,
        kept: dict[str, str],
        *,
        again: bool = False,
        actor: str = "",
    ) -> NotedDelivery:
        first = declared[0]
        try:
            meaning = await self._meaning(declared, facts, delivery.body)
            if isinstance(meaning, Nothing):
                note = self._note(first, delivery, facts, kept, DeliveryState.IGNORED, meaning.reason, again=again)
                return await self._write(note, facts)
            act = await self._act(meaning, facts)
        except (StoreError, BacklogFullError):
            raise  # nothing came of it: the sender tries again
        except HoldfastError as error:
            return await self._note_failed(first, delivery, facts, kept, error, again=again)
        note = self._note(first, delivery, facts, kept, DeliveryState.ACCEPTED, again=again)
        if isinstance(act, Gather):
            return await self._write(msgspec.structs.replace(note, act=act), facts, actor)

        def carrying(made: Operation) -> Carrying:
            return msgspec.structs.replace(note, act=made)

        return self._checked(await engine_of(self._engine, actor).carry_out(act, carrying), facts)

    async def _meaning(self, declared: Sequence[Webhook], facts: Facts, content: bytes) -> Meaning | Nothing:
        """Return what a delivery means; of one that does not fit, what it means by an accepted mapping."""
        try:
            return await self._fitting(declared, facts, content)
        except InputError:
            body = await self._bodies.mapped(declared[0].name, facts.event, facts.context["body"])
            if body is None:
                raise
        read = replace(facts, context={**facts.context, "body": body})
        return await self._fitting(declared, read, _encode(body), is_mapped=True)

    async def _fitting(
        self, declared: Sequence[Webhook], facts: Facts, content: bytes, *, is_mapped: bool = False
    ) -> Meaning | Nothing:
        meaning = decide(declared, facts, self._registry)
        if isinstance(meaning, Meaning):
            body = facts.context["body"]
            await self._bodies.hold(meaning.declared, facts.event, body, content, is_mapped=is_mapped)
        return meaning

    async def _act(self, meaning: Meaning, facts: Facts) -> Begin | Deliver | Gather:
        if meaning.gather is not None:
            await self._check_room()
            return meaning.gather
        operation_id = f"webhook {facts.context['webhook']} {facts.key}"
        if meaning.start is not None:
            await self._check_room()
            signal = StartSignal(meaning.signal, meaning.message, operation_id) if meaning.signal else None
            return Begin(meaning.start, meaning.policy, signal)
        record = await self._engine.describe(meaning.run_id)
        try:
            handler = self._registry.workflow(record.workflow).signals.get(meaning.signal)
        except UnknownNameError:
            handler = None  # its code is known elsewhere, and its orchestrator validates too
        payload = meaning.message
        if handler is not None:
            payload = recorded(cast("MessageHandler[Any, Any]", handler), payload)
        return Deliver(meaning.run_id, "signal", meaning.signal, payload, operation_id)

    # --- Noting ------------------------------------------------------------------------------------------------------

    def _note(
        self,
        webhook: Webhook,
        delivery: Delivery,
        facts: Facts,
        kept: dict[str, str],
        state: DeliveryState,
        reason: str = "",
        *,
        again: bool = False,
    ) -> NoteDelivery:
        return NoteDelivery(
            webhook.name,
            facts.key,
            _digest(delivery.body),
            state.value,
            self.redaction.text(reason)[:REASON_CHARACTERS_MAX],
            facts.event,
            _encode(kept),
            delivery.body,
            len(delivery.body),
            delivery.is_bound,
            again,
        )

    async def _note_failed(
        self,
        webhook: Webhook,
        delivery: Delivery,
        facts: Facts,
        kept: dict[str, str],
        error: HoldfastError,
        *,
        again: bool = False,
    ) -> NotedDelivery:
        note = self._note(webhook, delivery, facts, kept, DeliveryState.FAILED, error.message(), again=again)
        noted = await self._write(note, facts)
        if noted.state != DeliveryState.FAILED:
            return noted  # it was taken before: the same answer as then
        raise error

    async def _note_refused(self, webhook: Webhook, headers: Headers, body: bytes, reason: str) -> None:
        """Note what is not genuine. Nothing of it is believed, and little of it is kept."""
        if self._refusals >= REFUSALS_NOTED_AT_A_TIME_MAX:
            self._unnoted += 1
            return
        self._refusals += 1
        try:
            kept = self.redaction.headers(headers, webhook.verify.signature_headers)
            shown = self.redaction.body(body) if len(body) <= REFUSED_BODY_BYTES_MAX else None
            note = NoteDelivery(
                webhook.name,
                "",
                _digest(body),
                DeliveryState.REFUSED.value,
                reason[:REASON_CHARACTERS_MAX],
                headers=_encode(kept),
                body=b"" if shown is None else _encode(shown),
                body_bytes=len(body),
            )
            await self._store.write([note])
        finally:
            self._refusals -= 1
            if not self._refusals and self._unnoted:
                log.warning("refused deliveries came faster than they are noted", unnoted=self._unnoted)
                self._unnoted = 0

    async def _write(self, note: NoteDelivery, facts: Facts, actor: str = "") -> NotedDelivery:
        (result,) = await store_of(self._store, actor).write([note])
        if isinstance(result, HoldfastError):
            raise result
        return self._checked(result, facts)

    def _checked(self, noted: NotedDelivery, facts: Facts) -> NotedDelivery:
        if noted.state == DeliveryState.REFUSED:
            _raise_refused(noted, facts)
        return noted

    # --- Doing it again ----------------------------------------------------------------------------------------------

    async def redeliver(self, record: DeliveryRecord, actor: str = "") -> NotedDelivery:
        """Carry out a delivery of the inbox again, by what is declared now; one that was accepted stays as it is.

        What it starts or signals is in the audit log as done by `actor`.

        Raises:
            DeliveryError: it was refused, or its webhook is not declared any more.
            InputError, RunNotFoundError, RunClosedError, RunConflictError: as `take`.
        """
        declared = self._declared.get(record.webhook)
        if record.state == DeliveryState.REFUSED:
            raise DeliveryError(record.webhook, "it was refused", "Nobody knows who sent it. Have it sent again.")
        if declared is None:
            raise DeliveryError(record.webhook, "the webhook is not declared any more")
        kept = _decode_headers(record.headers)
        is_fallback = record.key == fallback_key(Delivery(record.body))
        delivery = Delivery(record.body, "" if is_fallback else record.key, record.event)
        try:
            facts = read_facts(declared, delivery, kept)
        except (InputError, DeliveryError) as error:
            return await self._note_failed(
                declared[0],
                delivery,
                Facts(record.key, record.event, {"webhook": record.webhook}),
                kept,
                error,
                again=True,
            )
        # It is known under the key it came with, whatever expressions find today.
        facts = Facts(record.key, facts.event, {**facts.context, "delivery": record.key})
        return await self._carry_out(declared, delivery, facts, kept, again=True, actor=actor)


def _raise_refused(noted: NotedDelivery, facts: Facts) -> NoReturn:
    if noted.reason.startswith("replayed"):
        raise SignatureError(noted.reason)
    raise DeliveryConflictError(facts.context["webhook"], noted.reason, "A sender names each delivery once.")


def _check_start(registry: Registry, declared: Webhook) -> None:
    """Make sure that what a webhook starts is here. Raises UnknownNameError, which says who wants it."""
    if not declared.start:
        return
    try:
        registry.workflow(declared.start)
    except UnknownNameError as error:
        known = ", ".join(error.known) or "none"
        wanted = f"It is what webhook {declared.name!r} starts  ({declared.where})\nKnown here: {known}"
        raise UnknownNameError(error.kind, error.name, error.known, wanted) from None


def _check_signal(registry: Registry, declared: Webhook) -> None:
    """Make sure that a signal is not one that nobody would ever look at. Raises UnknownNameError."""
    if not declared.signal:
        return
    wanted = f"It is what webhook {declared.name!r} sends  ({declared.where})"
    if declared.start:
        workflow = registry.workflow(declared.start)
        if not takes_signal(workflow, declared.signal):
            known = tuple(sorted(workflow.signals))
            said = f"{wanted} to {workflow.name!r}, which handles {', '.join(known)}"
            raise UnknownNameError("signal", declared.signal, known, said)
        return
    # Whose run it is the delivery says; its code may be known elsewhere. So only what looks like a slip is one.
    if any(takes_signal(each, declared.signal) for each in registry.workflows.values()):
        return
    handled = sorted({name for each in registry.workflows.values() for name in each.signals})
    if get_close_matches(declared.signal, handled, 1):
        raise UnknownNameError("signal", declared.signal, tuple(handled), wanted)


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()
