"""Secrets taken out of what is captured, before anything is written.

Owns: what counts as a secret, and what stands in its place.
Must not know: where captures go.
"""

from holdfast.replay.redaction.histories import RedactionRules, redact_history

__all__ = ["RedactionRules", "redact_history"]
