"""What a webhook does with what it is sent: `webhook`.

Owns: declarations of webhooks, and that they can work.
Must not know: signatures, HTTP, how a delivery is taken.

A declaration is a value: where it is one of a module's values, a registry finds it there. Used as a decorator, it is
kept on the workflow it starts, and the registry finds it with that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from holdfast.authoring.adapters import adapter_for
from holdfast.authoring.durations import Duration
from holdfast.authoring.expressions import Expression, InputMapping, MappingSource, Template
from holdfast.authoring.gathering import Batch, Debounce, Gathering, read_gathering
from holdfast.authoring.json_schemas import SchemaSource, compile_schema
from holdfast.authoring.messages import MessageHandler, Signal
from holdfast.authoring.options import check_name
from holdfast.authoring.places import calling_place
from holdfast.authoring.results import LEARN, check_matches
from holdfast.authoring.workflow import definition_of, find_definition
from holdfast.errors import DefinitionError
from holdfast.ports.operations import ID_CONFLICT_POLICIES, ID_REUSE_POLICIES, SAME_INPUT, USE_EXISTING, IdPolicy
from holdfast.ports.webhooks import Verifier

Subject = TypeVar("Subject")

ATTRIBUTE: Final = "__holdfast_webhooks__"
NAME_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Webhook:
    """One thing that a webhook does. Several of one name are tried in their order; the first that fits is done."""

    name: str
    """The last part of its path: `/v1/hooks/NAME`."""
    verify: Verifier
    where: str
    """`file:line` of the declaration."""
    start: str = ""
    """Name of the workflow of which a run is started; '' starts none."""
    signal: str = ""
    """Name of the signal that is sent; '' sends none."""
    id: Template | None = None
    """Run id; None takes the webhook's name and the delivery's id."""
    input: InputMapping | None = None
    """What the run is started with; None is the whole body."""
    message: InputMapping | None = None
    """What the signal carries; None is the whole body."""
    on: tuple[str, ...] = ()
    """Only deliveries about one of these; () is any."""
    filter: Expression | None = None
    """Only deliveries for which this finds something that is true."""
    event: Expression | None = None
    """What a delivery is about; None is as the verifier says."""
    delivery: Expression | None = None
    """A delivery's id; None is as the verifier says."""
    schema: Callable[[Any], tuple[tuple[str, str], ...]] | None = None
    """What is wrong with a body, by its JSON Schema."""
    policy: IdPolicy = field(default_factory=IdPolicy)
    gathering: Gathering | None = None
    """How deliveries wait for one another and become one run; None lets each be a run of its own."""
    key: Template | None = None
    """Which deliveries wait for one another; None is all of them."""
    contract: Any = None
    """What bodies have to be: a type, or "learn" for what they have been like."""
    matches: frozenset[str] = frozenset()
    """Paths of fields of the body on which code matches."""

    def __call__(self, subject: Subject) -> Subject:
        """Decorate the workflow of which runs are to be started.

        Raises:
            DefinitionError: it is no workflow, or another one was named.
        """
        definition = find_definition(subject)
        if definition is None:
            raise DefinitionError(
                f"@webhook({self.name!r}) was put on {subject!r}, which is no workflow",
                self.where,
                "Put it above @workflow, or name one: started = webhook(..., start=W)",
            )
        if self.start and self.start != definition.name:
            raise DefinitionError(
                f"@webhook({self.name!r}) starts {self.start!r}, and was put on workflow {definition.name!r}",
                self.where,
                "Leave out start=, or the decorator.",
            )
        declared = replace(self, start=definition.name)
        kept: tuple[Webhook, ...] = getattr(definition, ATTRIBUTE, ())
        setattr(definition, ATTRIBUTE, (declared, *kept))  # the one on top is applied last, and is first
        return subject


def webhook(  # noqa: PLR0913 - one for each thing there is to say
    name: str,
    *,
    verify: Verifier,
    start: Any = None,
    signal: MessageHandler[Any, Any] | str = "",
    id: str | None = None,
    input: MappingSource = None,
    message: MappingSource = None,
    on: str | Sequence[str] = (),
    filter: str | None = None,
    event: str | None = None,
    delivery: str | None = None,
    schema: SchemaSource | None = None,
    id_reuse_policy: str = SAME_INPUT,
    id_conflict_policy: str | None = None,
    debounce: Debounce | Duration | None = None,
    batch: Batch | Mapping[str, Any] | None = None,
    key: str | None = None,
    contract: Any = None,
    matches: Collection[str] = (),
) -> Webhook:
    """Declare what is done with what an outside system sends to `POST /v1/hooks/NAME`.

    ```python
    @webhook("stripe", verify=Stripe("env:STRIPE_SECRET"), on="charge.succeeded", id="pay-{body.data.object.id}")
    @workflow
    async def on_payment(event: dict) -> None: ...

    approvals = webhook(
        "reviews", verify=GitHub("env:GITHUB_SECRET"), on="pull_request_review", signal=Release.approve,
        filter="body.review.state == 'approved'", id="release-{body.pull_request.number}", message="body.sender.login",
    )
    ```

    Expressions are JMESPath over `body`, `headers` (names in lower case), `event`, `delivery` and `webhook`. With both
    `start` and `signal` the run is started if there is none, and signalled, in one commit.

    Args:
        name: the last part of the path. Several declarations may share it, and then its verifier; the first that fits
            a delivery is done.
        verify: how deliveries are signed: `GitHub`, `Stripe`, `Slack`, `StandardWebhooks`, `Hmac`.
        start: the workflow of which a run is started, or its name; a decorated workflow itself.
        signal: the signal that a run is sent, or its name.
        id: the run's id, with expressions in braces. Needed for a signal; a start without one takes the name and the
            delivery's id.
        input: what the run is started with: an expression, or JSON with expressions for texts. The body by default.
        message: what the signal carries, written likewise. The body by default.
        on: only deliveries about this, or one of these: `push`, `charge.succeeded`.
        filter: an expression; only deliveries for which it finds something that is true.
        event: an expression for what a delivery is about, where the verifier does not know.
        delivery: an expression for a delivery's id, where the verifier does not know, or knows better.
        schema: a JSON Schema (draft 2020-12) that bodies have to fit.
        id_reuse_policy: what to do when the run of this id has ended: `same_input`, `allow_duplicate`,
            `allow_duplicate_failed_only` or `reject_duplicate`.
        id_conflict_policy: what to do when it is open: `same_input`, `fail`, `use_existing` or `terminate_existing`.
        debounce: start one run for a burst of deliveries, with the last one, once none came for so long: `"30s"`, or
            `Debounce("30s", at_most="5m")`.
        batch: start one run for many deliveries, with a list of all: `Batch(100, within="10s")`.
        key: with `debounce` or `batch`, which deliveries become one run: a text with expressions in braces.
        contract: what bodies have to be: a type, or "learn" for what they have been like, for each `event`. One that
            breaks it is kept in the inbox as failed, under one report (`holdfast drift list`), and starts nothing.
        matches: with "learn", paths of fields of the body on which code matches, such as "data.object.status": a text
            that was never seen there breaks the contract.

    Raises:
        DefinitionError: it cannot work.
    """
    where = calling_place()
    own = check_name("webhook", name, where)
    if "/" in own or len(own) > NAME_CHARACTERS_MAX:
        raise DefinitionError(f"webhook {own!r}: a name is a part of a path, without slashes", where)
    what = f"of webhook {own!r}"
    signal_name = signal.name if isinstance(signal, Signal) else signal
    if not isinstance(signal_name, str):
        raise DefinitionError(f"signal {what} is {signal!r}", where, "Give the handler, such as Release.approve.")
    started = "" if start is None else start if isinstance(start, str) else definition_of(start).name
    if signal_name and id is None:
        raise DefinitionError(f"webhook {own!r} sends a signal and does not say to which run", where, "Say it: id=...")
    if not callable(getattr(verify, "verify", None)):
        raise DefinitionError(
            f"verify {what} is {verify!r}, which verifies nothing", where, 'Such as verify=GitHub("env:GITHUB_SECRET").'
        )
    gathering = read_gathering(debounce, batch, f"webhook {own!r}", where)
    if gathering is not None and (signal_name or id is not None):
        raise DefinitionError(
            f"webhook {own!r} lets deliveries become one run, and says {'signal' if signal_name else 'id'}=...",
            where,
            "Leave it out: such a run has an id of its own, and is sent nothing. key=... says what becomes one run.",
        )
    if gathering is None and key is not None:
        raise DefinitionError(f"webhook {own!r} has a key, and neither debounce nor batch", where, "Say which.")
    return Webhook(
        own,
        verify,
        where,
        started,
        signal_name,
        None if id is None else Template(id, f"id {what}"),
        None if input is None else InputMapping(input, f"input {what}"),
        None if message is None else InputMapping(message, f"message {what}"),
        (on,) if isinstance(on, str) else tuple(on),
        None if filter is None else Expression(filter, f"filter {what}"),
        None if event is None else Expression(event, f"event {what}"),
        None if delivery is None else Expression(delivery, f"delivery {what}"),
        None if schema is None else compile_schema(schema, f"schema {what}"),
        _policy(id_reuse_policy, id_conflict_policy or (USE_EXISTING if signal_name else SAME_INPUT), own, where),
        gathering,
        None if key is None else Template(key, f"key {what}"),
        _contract(contract, what),
        check_matches(matches),
    )


def webhooks_of(value: Any) -> tuple[Webhook, ...]:
    """Return the webhooks that a module's value is, or that were put on a workflow."""
    if isinstance(value, Webhook):
        return (value,)
    definition = find_definition(value)
    kept: tuple[Webhook, ...] = getattr(definition, ATTRIBUTE, ()) if definition is not None else ()
    return kept


def check_webhooks(webhooks: Mapping[str, Sequence[Webhook]]) -> None:
    """Make sure that those of one name can be told apart, and that each does something. Raises DefinitionError."""
    for name, declared in webhooks.items():
        for each in declared:
            if not each.start and not each.signal:
                raise DefinitionError(
                    f"webhook {name!r} does nothing", each.where, "Say what: start=..., signal=..., or put it on one."
                )
            if each.verify != declared[0].verify:
                raise DefinitionError(
                    f"webhook {name!r} is verified in two ways",
                    f"{declared[0].where}; {each.where}",
                    "What has one path has one verifier. Give one of them another name.",
                )


def _contract(contract: Any, what: str) -> Any:
    if contract is not None and contract != LEARN:
        adapter_for(contract, f"contract {what}")
    return contract


def _policy(reuse: str, conflict: str, name: str, where: str) -> IdPolicy:
    for given, known, which in (
        (reuse, ID_REUSE_POLICIES, "id_reuse_policy"),
        (conflict, ID_CONFLICT_POLICIES, "id_conflict_policy"),
    ):
        if given not in known:
            raise DefinitionError(f"webhook {name!r} has {which}={given!r}", where, f"One of {', '.join(known)}.")
    return IdPolicy(reuse, conflict)
