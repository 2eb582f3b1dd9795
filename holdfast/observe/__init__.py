"""What operators see, and what nobody may: logs, and the values that must never be written down.

One door to the logging library.
"""

from holdfast.observe.logs import configure_logs, logger
from holdfast.observe.secrets import known_secrets, redact

__all__ = ["configure_logs", "known_secrets", "logger", "redact"]
