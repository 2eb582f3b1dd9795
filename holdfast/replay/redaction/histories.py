"""Secrets taken out of a whole history.

Owns: which fields of events are data and which are names in the code, and what becomes of each.
Must not know: how secrets are recognised.

A history has to replay after it was redacted, so two things are left alone: names that stand in the code, such as a
task's, and payloads in which there is nothing to redact, byte for byte. The digest over a fan-out's items cannot be
computed again without the items; it becomes empty, which a replay takes for "not known", if a secret was recorded
before the fan-out began.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from holdfast.errors import SettingsError
from holdfast.history import AnyEvent, Attempt, CaptureNote, Exchange, Failure, FanOutStarted, History, ItemOutcome
from holdfast.observe import EMAIL_PATTERN, SECRET_PATTERNS, Pattern, SecretKeys
from holdfast.replay.redaction.redactor import Redactor

CODE_FIELDS: Final = frozenset(
    {"code_version", "event", "flags", "kind", "policy", "pool", "python", "task", "timeout", "worker", "workflow"}
)
"""Text fields of events that name things in the code or the fleet."""

_DATE: Final = re.compile(r"\d{4}-\d\d-")
"""Begins a time among the literals of attributes; the others are JSON."""
_KEY_IN_STEP: Final = re.compile(r"\[(.*)\]", re.DOTALL)
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What is taken out beside what always is."""

    keys: tuple[str, ...] = ()
    """Further names whose values are secret, such as `customer_number`."""
    patterns: tuple[str, ...] = ()
    """Further regular expressions; group `secret` is what goes, or the whole match."""
    emails: bool = False
    """Whether mail addresses go."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Secrets that are known by value, with what each is called."""

    def compiled(self) -> tuple[SecretKeys, tuple[Pattern, ...]]:
        """Return the keys and patterns.

        Raises:
            SettingsError: a pattern is no regular expression.
        """
        more = []
        for each in self.patterns:
            try:
                more.append(Pattern("pattern", re.compile(each)))
            except re.error as error:
                raise SettingsError(
                    f"redact_patterns: {each!r} is no regular expression: {error}", "Mend it, or take it out."
                ) from None
        return SecretKeys(self.keys), (*SECRET_PATTERNS, *more, *((EMAIL_PATTERN,) if self.emails else ()))


def redact_history(
    history: History, rules: RedactionRules, parameter: Callable[[str], str] | None = None
) -> tuple[History, int]:
    """Return `history` without its secrets, and how many different ones were taken out.

    Args:
        history: is not changed.
        rules: what is secret.
        parameter: returns the name of the only parameter of the workflow, task or handler of some name, or an empty
            text. A call with one argument is recorded without the argument's name.

    Raises:
        SettingsError: a pattern of the rules is no regular expression.
    """
    keys, patterns = rules.compiled()
    cleaner = _Cleaner(Redactor(keys, patterns, rules.known), parameter)
    cleaner.clean(history)  # learns
    cleaner.redactor.replaced.clear()
    cleaned = cleaner.clean(history)
    return cleaned, len(cleaner.redactor.replaced)


class _Cleaner:
    def __init__(self, redactor: Redactor, parameter: Callable[[str], str] | None) -> None:
        self.redactor = redactor
        self.parameter = parameter
        self.calls: dict[str, str] = {}

    def clean(self, history: History) -> History:
        events: list[AnyEvent] = []
        for event in history.events:
            cleaned = self.event(event)
            if isinstance(cleaned, FanOutStarted) and self.redactor.replaced:
                cleaned = msgspec.structs.replace(cleaned, digest=b"")
            events.append(cleaned)
        outcomes = {self.step(step): [self.outcome(each) for each in items] for step, items in history.outcomes.items()}
        about = {key: self.redactor.text(value) for key, value in history.about.items()}
        exchanges = {
            self.step(step): [self.exchange(each) for each in found] for step, found in history.exchanges.items()
        }
        return replace(
            history,
            events=events,
            outcomes=outcomes,
            about=about,
            capture=self.note(history.capture),
            exchanges=exchanges,
        )

    def exchange(self, exchange: Exchange) -> Exchange:
        return msgspec.structs.replace(
            exchange,
            url=self.redactor.text(exchange.url),
            reason=self.redactor.text(exchange.reason),
            headers={name: self.redactor.text(value) for name, value in exchange.headers.items()},
            request=self.payload(exchange.request) if exchange.request else b"",
            body=self.payload(exchange.body) if exchange.body else b"",
        )

    def note(self, note: CaptureNote | None) -> CaptureNote | None:
        if note is None:
            return None
        failure = note.failure
        if failure is not None:
            message = self.redactor.text(failure.message)
            traceback = self.redactor.text(failure.traceback, code=True)
            failure = msgspec.structs.replace(failure, message=message, traceback=traceback)
        return msgspec.structs.replace(note, failure=failure, parked=self.redactor.text(note.parked))

    def event(self, event: AnyEvent) -> AnyEvent:
        changes: dict[str, Any] = {}
        for name in event.__struct_fields__:
            before = getattr(event, name)
            after = self.field(event, name, before)
            if after is not before and after != before:
                changes[name] = after
        return msgspec.structs.replace(event, **changes) if changes else event

    def field(self, event: AnyEvent, name: str, value: Any) -> Any:
        match value:
            case bytes() if name in {"input", "result"}:
                return self.payload(value, self.sole_name(event, name))
            case str() if name == "step":
                return self.step(value)
            case str() if name in CODE_FIELDS:
                return value
            case str() if name == "name":
                return self.redactor.replaced_in(value) if "Lock" in type(event).__name__ else value
            case str():
                return self.redactor.text(value)
            case Failure():
                return self.failure(value)
            case tuple() if name == "attempts":
                return tuple(self.attempt(each) for each in value)
            case dict() if name == "attributes":
                return self.attributes(value)
            case dict():
                return self.redactor.value(value)
            case _:
                return value

    def attributes(self, encoded: dict[str, str]) -> dict[str, str]:
        """Return attributes whose values are clean, and literals still."""
        values = {name: _decode(text) for name, text in encoded.items() if text and not _DATE.match(text)}
        cleaned = self.redactor.value(values)
        replaced = {name: _encode(each).decode() for name, each in cleaned.items() if each != values.get(name, each)}
        return {**encoded, **replaced} if replaced else encoded

    def sole_name(self, event: AnyEvent, name: str) -> str:
        """Return the name of the only parameter that an input belongs to."""
        if name != "input" or self.parameter is None:
            return ""
        called = next((found for each in ("task", "workflow", "name") if (found := getattr(event, each, ""))), "")
        if called not in self.calls:
            self.calls[called] = self.parameter(called)
        return self.calls[called]

    def step(self, step: str) -> str:
        """Return a step whose key, which is data, is clean; its name is left alone."""
        return _KEY_IN_STEP.sub(lambda match: f"[{self.redactor.replaced_in(match[1])}]", step)

    def payload(self, payload: bytes, name: str = "") -> bytes:
        try:
            value = _decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self.raw(payload)
        cleaned = self.redactor.value({name: value})[name] if name else self.redactor.value(value)
        if cleaned is value or (type(cleaned) is type(value) and cleaned == value):
            return payload
        if _encode(value) != payload:  # long numbers, spaces: written the way msgspec does, it would be other JSON
            return self.raw(payload)
        return _encode(cleaned)

    def raw(self, payload: bytes) -> bytes:
        """Return bytes that cannot be taken apart, without what is known to be secret."""
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            text = payload.decode("latin-1")
            return self.redactor.replaced_in(text).encode("latin-1", "replace")
        return self.redactor.text(text).encode()

    def failure(self, failure: Failure) -> Failure:
        cleaned = msgspec.structs.replace(
            failure,
            message=self.redactor.text(failure.message),
            traceback=self.redactor.text(failure.traceback, code=True),
            cause=self.failure(failure.cause) if failure.cause is not None else None,
        )
        return failure if cleaned == failure else cleaned

    def attempt(self, attempt: Attempt) -> Attempt:
        if attempt.failure is None:
            return attempt
        return msgspec.structs.replace(attempt, failure=self.failure(attempt.failure))

    def outcome(self, outcome: ItemOutcome) -> ItemOutcome:
        return self.failure(outcome) if isinstance(outcome, Failure) else self.payload(outcome)
