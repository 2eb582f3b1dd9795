"""A hosted language model that runs here, for tests: it answers what it is told to, and counts as providers count.

Owns: `HostedModel`, `Asked`.
Must not know: who asks.
"""

from holdfast.testing.models.asked import Asked, Reply
from holdfast.testing.models.hosted import HostedModel

__all__ = ["Asked", "HostedModel", "Reply"]
