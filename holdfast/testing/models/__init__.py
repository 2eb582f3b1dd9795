"""Language models for tests: a hosted one that runs here and answers as it is told to, and a file of a tiny one.

Owns: `HostedModel`, `Asked`, `write_tiny_model`.
Must not know: who asks.
"""

from holdfast.testing.models.asked import Asked, Reply
from holdfast.testing.models.hosted import HostedModel
from holdfast.testing.models.tiny import write_tiny_model

__all__ = ["Asked", "HostedModel", "Reply", "write_tiny_model"]
