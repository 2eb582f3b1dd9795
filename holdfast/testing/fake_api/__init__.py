"""A fake of somebody else's API, on this machine, that misbehaves as real ones do.

Owns: the names that tests use.
Must not know: who calls.
"""

from holdfast.testing.fake_api.acts import (
    Act,
    Answer,
    Behave,
    Hang,
    Redirect,
    ResetAfter,
    ResetBefore,
    SlowBody,
    TooMany,
    Truncate,
    WrongType,
)
from holdfast.testing.fake_api.api import FakeApi
from holdfast.testing.fake_api.drift import DRIFTS, Drift
from holdfast.testing.fake_api.records import Effect, Limit, Request

__all__ = [
    "DRIFTS",
    "Act",
    "Answer",
    "Behave",
    "Drift",
    "Effect",
    "FakeApi",
    "Hang",
    "Limit",
    "Redirect",
    "Request",
    "ResetAfter",
    "ResetBefore",
    "SlowBody",
    "TooMany",
    "Truncate",
    "WrongType",
]
