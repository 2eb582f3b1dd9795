"""Captures: redacted, self-contained history files made from production runs.

Owns: making them, keeping them in a folder, and tests made from them.
Must not know: who asks for them; how a history is replayed.
"""

from holdfast.ports.captures import CaptureEntry
from holdfast.replay.captures.folder import CaptureFolder
from holdfast.replay.captures.generation import TestSource, write_test
from holdfast.replay.captures.known import CaptureKey, key_of, key_of_entry, known_captures, name_in
from holdfast.replay.captures.making import CodePlace, capture_history, capture_name, reason_of, write_capture
from holdfast.replay.captures.reading import read_exchanges, read_run
from holdfast.replay.captures.seeking import ClusterCapturer
from holdfast.replay.captures.watching import Capturer
from holdfast.replay.captures.writing import CapturerSettings, CaptureWriter

__all__ = [
    "CaptureEntry",
    "CaptureFolder",
    "CaptureKey",
    "CaptureWriter",
    "Capturer",
    "CapturerSettings",
    "ClusterCapturer",
    "CodePlace",
    "TestSource",
    "capture_history",
    "capture_name",
    "key_of",
    "key_of_entry",
    "known_captures",
    "name_in",
    "read_exchanges",
    "read_run",
    "reason_of",
    "write_capture",
    "write_test",
]
