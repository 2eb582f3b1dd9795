"""What operators see, and what nobody may: logs, metrics, traces, and the values that must never be written down.

One door to each library: `logs` to structlog, `metrics` to prometheus-client, which is loaded when somebody
asks, `traces` to opentelemetry-api, which is used when the program has loaded it.
"""

from holdfast.observe.fields import FIELDS
from holdfast.observe.forms import forms
from holdfast.observe.logs import configure_logs, logger
from holdfast.observe.meters import Meters
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

__all__ = [
    "FIELDS",
    "PLACEHOLDER",
    "TRACEPARENT_HEADER",
    "EndedRun",
    "Meters",
    "Publisher",
    "SecretKeys",
    "Serving",
    "Tracer",
    "configure_logs",
    "current_traceparent",
    "forms",
    "known_secrets",
    "logger",
    "read_reference",
    "read_traceparent",
    "redact",
    "tracer",
    "within",
    "words_of",
]
