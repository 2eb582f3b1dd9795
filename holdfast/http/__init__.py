"""Calls to outside systems: whoever imports this loads an HTTP client.

Owns: connections that reach what they may, and nothing else.
Must not know: what is called, and why.
"""

from holdfast.http.connecting import ForbiddenAddressError, GuardedBackend

__all__ = ["ForbiddenAddressError", "GuardedBackend"]
