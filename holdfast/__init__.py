"""Durable workflows for Python: code that survives crashes, hangs and deploys.

Owns: the public names.
Must not know: how any of them works.
"""

__version__ = "0.1.0.dev0"
