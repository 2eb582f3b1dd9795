"""The application: settings, and the one place that wires everything."""

from holdfast.app.holdfast import Client, Holdfast, run
from holdfast.app.settings import Settings, load_settings
from holdfast.app.stack import ROLES, Stack, sqlite_store

__all__ = ["ROLES", "Client", "Holdfast", "Settings", "Stack", "load_settings", "run", "sqlite_store"]
