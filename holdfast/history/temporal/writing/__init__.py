"""Histories of ours as Temporal's, written by kind as the modules beside this package read them.

Owns: the way in.
Must not know: stores, workflow code.
"""

from holdfast.history.temporal.writing.frames import to_temporal

__all__ = ["to_temporal"]
