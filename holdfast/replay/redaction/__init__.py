"""Secrets taken out of what is captured, before anything is written.

Owns: what counts as a secret, and what stands in its place.
Must not know: where captures go.
"""

from holdfast.replay.redaction.histories import RedactionRules, redact_history
from holdfast.replay.redaction.patterns import ALWAYS, find_secrets

__all__ = ["ALWAYS", "RedactionRules", "find_secrets", "redact_history"]
