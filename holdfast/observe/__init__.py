"""What operators see, and what nobody may: logs, metrics, and the values that must never be written down.

One door to each library: `logs` to structlog, `metrics` to prometheus-client, which is loaded when somebody asks.
"""

from holdfast.observe.fields import FIELDS
from holdfast.observe.forms import forms
from holdfast.observe.logs import configure_logs, logger
from holdfast.observe.meters import Meters
from holdfast.observe.publishing import Publisher
from holdfast.observe.references import read_reference
from holdfast.observe.secret_names import PLACEHOLDER, SecretKeys, words_of
from holdfast.observe.secrets import known_secrets, redact

__all__ = [
    "FIELDS",
    "PLACEHOLDER",
    "Meters",
    "Publisher",
    "SecretKeys",
    "configure_logs",
    "forms",
    "known_secrets",
    "logger",
    "read_reference",
    "redact",
    "words_of",
]
