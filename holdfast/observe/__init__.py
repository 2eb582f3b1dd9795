"""What operators see: logs. One door to the logging library."""

from holdfast.observe.logs import configure_logs, logger

__all__ = ["configure_logs", "logger"]
