"""The controller on the network: routes, doors, error answers, and the server. The only door to FastAPI and uvicorn.

Owns: everything that is HTTP.
Must not know: how the service does what it does.
"""

from holdfast.controller.http.access import (
    EXEMPT,
    About,
    Doorkeeper,
    Handler,
    Public,
    ScopedRoute,
    check_routes,
    requires,
)
from holdfast.controller.http.application import create_app
from holdfast.controller.http.origin import OWN_SITES, SAFE_METHODS
from holdfast.controller.http.parts import Parts, RunId, ThePartsOf, ThePrincipal, TheService, parts_of
from holdfast.controller.http.problems import RefusalError, treatment_of
from holdfast.controller.http.server import Server, serve
from holdfast.controller.http.settings import HttpSettings, check_bind, is_loopback
from holdfast.controller.http.stream import EventStream

__all__ = [
    "EXEMPT",
    "OWN_SITES",
    "SAFE_METHODS",
    "About",
    "Doorkeeper",
    "EventStream",
    "Handler",
    "HttpSettings",
    "Parts",
    "Public",
    "RefusalError",
    "RunId",
    "ScopedRoute",
    "Server",
    "ThePartsOf",
    "ThePrincipal",
    "TheService",
    "check_bind",
    "check_routes",
    "create_app",
    "is_loopback",
    "parts_of",
    "requires",
    "serve",
    "treatment_of",
]
