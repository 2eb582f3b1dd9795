"""The application: settings, and the one place that wires everything."""

from holdfast.app.holdfast import Client, Holdfast, run
from holdfast.app.serving import Serving, serve, serving
from holdfast.app.settings import Settings, load_settings
from holdfast.app.stack import ROLES, Stack
from holdfast.app.verifying import verify_store

__all__ = [
    "ROLES",
    "Client",
    "Holdfast",
    "Serving",
    "Settings",
    "Stack",
    "load_settings",
    "run",
    "serve",
    "serving",
    "verify_store",
]
