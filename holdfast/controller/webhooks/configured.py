"""Webhooks that are declared in settings: `[webhooks.NAME]` in `holdfast.toml`.

Owns: what such a table may say.
Must not know: where settings come from, what a declaration means.

    [webhooks.stripe]
    verify = "stripe"
    secrets = ["env:STRIPE_SECRET"]
    on = "charge.succeeded"
    start = "OnPayment"
    id = "pay-{body.data.object.id}"

    [webhooks.github]
    verify = "github"
    secrets = ["env:GITHUB_SECRET"]

    [[webhooks.github.routes]]
    on = "push"
    start = "Deploy"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from holdfast.authoring import Webhook, webhook
from holdfast.controller.webhooks.generic import Hmac
from holdfast.controller.webhooks.github import GitHub
from holdfast.controller.webhooks.slack import Slack
from holdfast.controller.webhooks.standard import StandardWebhooks
from holdfast.controller.webhooks.stripe import Stripe
from holdfast.errors import DefinitionError, SettingsError
from holdfast.ports.webhooks import Verifier

VERIFIERS: Final[Mapping[str, Callable[..., Verifier]]] = {
    "github": GitHub,
    "stripe": Stripe,
    "slack": Slack,
    "standard": StandardWebhooks,
    "hmac": Hmac,
}
ABOUT: Final = frozenset({"routes", "secrets", "verify"})
"""What the table of a webhook says about itself."""
SIGNING: Final = frozenset(
    {
        "tolerance",
        "header",
        "prefix",
        "encoding",
        "algorithm",
        "signed",
        "timestamp_header",
        "id_header",
        "event_header",
    }
)
"""What a table says about signatures, besides `verify` and `secrets`."""
DOING: Final = frozenset(
    {
        "start",
        "signal",
        "id",
        "input",
        "message",
        "on",
        "filter",
        "event",
        "delivery",
        "schema",
        "contract",
        "matches",
        "id_reuse_policy",
        "id_conflict_policy",
        "debounce",
        "batch",
        "key",
    }
)
"""What a table, or each of its `routes`, says about what is done."""

TEXTS: Final = (SIGNING | DOING) - {"tolerance", "input", "message", "on", "schema", "matches", "batch"}
"""Those of them that are texts."""
TEXT_EXAMPLE: Final = '"body.id"'


def read_webhooks(tables: Mapping[str, Any]) -> list[Webhook]:
    """Return the webhooks of settings.

    Args:
        tables: what `webhooks` says, by name.

    Raises:
        SettingsError: a table says what cannot work.
    """
    return [each for name, table in tables.items() for each in _read(name, table)]


def _read(name: str, table: Any) -> Iterator[Webhook]:
    if not isinstance(table, Mapping):
        raise _wrong(name, "is no table", "Begin it with its verifier: verify = ...")
    make = VERIFIERS.get(table.get("verify", ""))
    secrets = table.get("secrets")
    secrets = [secrets] if isinstance(secrets, str) else secrets
    if make is None:
        given = f"says verify = {table['verify']!r}" if "verify" in table else "does not say how it is signed"
        raise _wrong(name, given, f"verify is one of {', '.join(VERIFIERS)}.")
    own = {key: value for key, value in table.items() if key not in ABOUT}
    _check_names(name, own, SIGNING | DOING, ABOUT)
    if not isinstance(secrets, list) or not all(isinstance(each, str) for each in secrets):
        raise _wrong(name, "does not say where its secrets are", 'Such as secrets = ["env:STRIPE_SECRET"].')
    routes = table.get("routes", [{}])
    if not isinstance(routes, list) or not routes or not all(isinstance(each, Mapping) for each in routes):
        raise _wrong(name, "has routes that are no tables", f"Write each as [[webhooks.{name}.routes]].")
    for each in routes:
        _check_names(name, each, DOING)
    signing = {key: value for key, value in own.items() if key in SIGNING}
    doing = {key: value for key, value in own.items() if key in DOING}
    try:
        verifier = make(*secrets, **signing)
        for each in routes:
            yield replace(webhook(name, verify=verifier, **{**doing, **each}), where=f"[webhooks.{name}]")
    except DefinitionError as error:
        raise _wrong(name, f"cannot work: {error.what}", error.remedy) from None
    except TypeError as error:
        raise _wrong(name, f"says what its verifier does not take: {error}", "Leave it out.") from None


def _check_names(
    name: str, table: Mapping[str, Any], known: frozenset[str], besides: frozenset[str] = frozenset()
) -> None:
    for each in sorted(TEXTS & table.keys()):
        if not isinstance(table[each], str):
            raise _wrong(name, f"says {each} = {table[each]!r}, which is no text", f"Such as {each} = {TEXT_EXAMPLE}.")
    unknown = sorted(table.keys() - known)
    if unknown:
        meant = get_close_matches(unknown[0], known | besides, 1)
        asked = f"Did you mean {meant[0]!r}? " if meant else ""
        there = f"There are {', '.join(sorted(known | besides))}."
        raise _wrong(name, f"says {unknown[0]!r}, which means nothing there", asked + there)


def _wrong(name: str, what: str, remedy: str) -> SettingsError:
    return SettingsError(f"[webhooks.{name}] {what}", remedy)
