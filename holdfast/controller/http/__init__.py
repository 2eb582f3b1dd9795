"""The controller on the network: routes, doors, error answers, and the server. The only door to FastAPI and uvicorn.

Owns: everything that is HTTP.
Must not know: how the service does what it does.
"""

from holdfast.controller.http.access import EXEMPT, About, Public, ScopedRoute, check_routes, requires
from holdfast.controller.http.application import create_app
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.server import Server, serve
from holdfast.controller.http.settings import HttpSettings, check_bind, is_loopback

__all__ = [
    "EXEMPT",
    "About",
    "HttpSettings",
    "Public",
    "RefusalError",
    "ScopedRoute",
    "Server",
    "check_bind",
    "check_routes",
    "create_app",
    "is_loopback",
    "requires",
    "serve",
]
