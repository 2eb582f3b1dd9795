"""What a genuine delivery means: which run it starts, which signal it sends, or that there is nothing to do.

Owns: reading a body, a delivery's id and event, choosing among declarations, making inputs.
Must not know: signatures, HTTP, stores. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast

import msgspec

from holdfast.authoring import Expression, Gathering, InputMapping, MessageHandler, Registry, Webhook
from holdfast.controller.inputs import check_run_id, recorded, recorded_event
from holdfast.controller.strict import read_json
from holdfast.errors import DeliveryError, InputError
from holdfast.ports.engine import StartRequest
from holdfast.ports.operations import Gather, IdPolicy
from holdfast.ports.webhooks import Delivery

KEY_CHARACTERS_MAX: Final = 200
DIGEST_CHARACTERS: Final = 32

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a delivery: what expressions are evaluated on."""

    key: str
    """Names it: sent again, it has the same one."""
    event: str
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is to be done about a delivery."""

    declared: Webhook
    """What says so."""
    run_id: str
    start: StartRequest | None
    policy: IdPolicy
    signal: str = ""
    message: bytes = b""
    """JSON text of what the signal carries; not checked yet where no run is started."""
    gather: Gather | None = None
    """What becomes a run together with others, instead of a start."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do about it."""

    reason: str


def fallback_key(delivery: Delivery) -> str:
    """Return what names a delivery that says nothing itself: what is in it."""
    return f"sha256:{sha256(delivery.body).hexdigest()[:DIGEST_CHARACTERS]}"


def read_facts(declared: Sequence[Webhook], delivery: Delivery, headers: Mapping[str, str]) -> Facts:
    """Read a delivery's body, and in it what the delivery is.

    Args:
        declared: the declarations of one webhook.
        delivery: what was signed.
        headers: of the request, as they are kept; names in lower case.

    Raises:
        InputError: the body is no JSON that has one meaning.
        DeliveryError: an expression finds what cannot be a delivery's id or event.
    """
    first = declared[0]
    body = read_json(delivery.body, f"the body of webhook {first.name!r}")
    context: dict[str, Any] = {"body": body, "headers": dict(headers), "webhook": first.name}
    own_id = next((each.delivery for each in declared if each.delivery is not None), None)
    key = delivery.id if own_id is None else ""
    for expression in (own_id, _in_body(first.verify.id_in_body)):
        key = key or _text(first.name, "id", expression, context, KEY_CHARACTERS_MAX)
    own_event = next((each.event for each in declared if each.event is not None), None)
    event = delivery.event if own_event is None else ""
    for expression in (own_event, _in_body(first.verify.event_in_body)):
        event = event or _text(first.name, "event", expression, context, KEY_CHARACTERS_MAX)
    context |= {"event": event, "delivery": key or fallback_key(delivery)}
    return Facts(context["delivery"], event, context)


def decide(declared: Sequence[Webhook], facts: Facts, registry: Registry) -> Meaning | Nothing:
    """Return what a delivery means to the first of the declarations that it fits.

    Raises:
        InputError: its body, or what was made of it, does not fit a schema or type; or it names no run.
        DeliveryError: an expression finds nothing where it has to.
    """
    fitting = next(_fitting(declared, facts), None)
    if fitting is None:
        about = f" about {facts.event!r}" if facts.event else ""
        return Nothing(f"no declaration of the webhook wants a delivery{about} like this")
    name, context = fitting.name, facts.context
    if fitting.schema is not None:
        problems = fitting.schema(context["body"])
        if problems:
            raise InputError(f"the body of webhook {name!r}", problems)
    if fitting.gathering is not None:
        return Meaning(fitting, "", None, fitting.policy, gather=_gather(fitting, fitting.gathering, facts, registry))
    if fitting.id is None:
        run_id = f"{name}-{facts.key}"
    else:
        template = fitting.id
        run_id = _found(name, "id", lambda: template.fill(context))
    check_run_id(run_id)
    request, message = None, b""
    handler = None
    if fitting.start:
        definition = registry.workflow(fitting.start)
        payload = recorded(definition, _mapped(fitting, "input", fitting.input, context))
        request = StartRequest(
            fitting.start,
            run_id,
            payload,
            definition.code_version,
            pin=definition.code_version if definition.pinned else "",
        )
        handler = definition.signals.get(fitting.signal)
    if fitting.signal:
        message = _mapped(fitting, "message", fitting.message, context)
        if handler is not None:
            message = recorded(cast("MessageHandler[Any, Any]", handler), message)
    return Meaning(fitting, run_id, request, fitting.policy, fitting.signal, message)


def _gather(declared: Webhook, gathering: Gathering, facts: Facts, registry: Registry) -> Gather:
    name, context = declared.name, facts.context
    key, template = "", declared.key
    if template is not None:
        key = _found(name, "key", lambda: template.fill(context))[:KEY_CHARACTERS_MAX]
    mapped = _mapped(declared, "input", declared.input, context)
    return Gather(
        declared.start,
        key,
        recorded_event(registry.workflow(declared.start), mapped, gathering),
        gathering.within_seconds,
        gathering.quiet_seconds,
        gathering.size,
        f"webhook {name} {facts.key}",
    )


def _fitting(declared: Iterable[Webhook], facts: Facts) -> Iterator[Webhook]:
    for each in declared:
        if each.on and facts.event not in each.on:
            continue
        wanted = each.filter
        if wanted is not None and not _found(each.name, "filter", lambda: wanted.find(facts.context)):  # noqa: B023 - called at once
            continue
        yield each


def _mapped(declared: Webhook, what: str, mapping: InputMapping | None, context: dict[str, Any]) -> bytes:
    if mapping is None:
        return _encode(context["body"])
    return _encode(_found(declared.name, what, lambda: mapping.fill(context)))


def _text(webhook: str, what: str, expression: Expression | None, context: dict[str, Any], characters_max: int) -> str:
    if expression is None:
        return ""
    found = _found(webhook, what, lambda: expression.find(context))
    match found:
        case None | "":
            return ""
        case str() | int() if not isinstance(found, bool):
            text = str(found)
            if len(text) <= characters_max and text.isprintable():
                return text
    raise DeliveryError(webhook, f"{what}: {expression.text} finds no short text")


def _found(webhook: str, what: str, find: Callable[[], Any]) -> Any:
    try:
        return find()
    except ValueError as error:
        raise DeliveryError(webhook, f"{what}: {error}") from None


def _in_body(text: str) -> Expression | None:
    found = _EXPRESSIONS.get(text)
    if found is None and text:
        found = _EXPRESSIONS[text] = Expression(text, "what a verifier looks for")
    return found


_EXPRESSIONS: Final[dict[str, Expression]] = {}
"""Those of verifiers: there are as many as there are kinds of them."""
