"""What operators see, and what nobody may: logs, metrics, traces, and the values that must never be written down.

One door to each library: `logs` to structlog, `metrics` to prometheus-client, which is loaded when somebody
asks, `traces` to opentelemetry-api, which is used when the program has loaded it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.observe.fields import FIELDS
from holdfast.observe.forms import forms
from holdfast.observe.logs import configure_logs, log_options, logger
from holdfast.observe.meters import Meters
from holdfast.observe.outages import warn_of
from holdfast.observe.publishing import Publisher
from holdfast.observe.references import read_reference
from holdfast.observe.secret_names import PLACEHOLDER, SecretKeys, words_of
from holdfast.observe.secrets import known_secrets, redact
from holdfast.observe.traces import (
    TRACEPARENT_HEADER,
    EndedRun,
    Serving,
    Tracer,
    current_traceparent,
    read_traceparent,
    tracer,
    within,
)

if TYPE_CHECKING:
    from holdfast.observe.looks import (
        EMAIL_PATTERN,
        SECRET_HINT,
        SECRET_PATTERNS,
        Pattern,
        basic_password,
        find_secrets,
    )

_LOOKS: Final = frozenset(
    {"EMAIL_PATTERN", "SECRET_HINT", "SECRET_PATTERNS", "Pattern", "basic_password", "find_secrets"}
)
"""What is loaded when it is first used: compiling patterns takes milliseconds, and most processes look for none."""

__all__ = [
    "EMAIL_PATTERN",
    "FIELDS",
    "PLACEHOLDER",
    "SECRET_HINT",
    "SECRET_PATTERNS",
    "TRACEPARENT_HEADER",
    "EndedRun",
    "Meters",
    "Pattern",
    "Publisher",
    "SecretKeys",
    "Serving",
    "Tracer",
    "basic_password",
    "configure_logs",
    "current_traceparent",
    "find_secrets",
    "forms",
    "known_secrets",
    "log_options",
    "logger",
    "read_reference",
    "read_traceparent",
    "redact",
    "tracer",
    "warn_of",
    "within",
    "words_of",
]


def __getattr__(name: str) -> Any:
    """Load what secrets look like when it is first asked for."""
    if name not in _LOOKS:
        raise AttributeError(f"module 'holdfast.observe' has no attribute {name!r}")
    from holdfast.observe import looks

    value = globals()[name] = getattr(looks, name)
    return value
