"""The controller: what people and programs reach from outside. `http` puts it on the network.

Owns: the verbs of the API, API keys, how JSON from strangers is read.
Must not know: how runs are carried out.

Names are imported when they are first used: a worker enters for its notices, and does not load the API.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.controller.catalogue import describe_workflow, list_workflows
    from holdfast.controller.keyring import Keyring
    from holdfast.controller.keys import IssuedKey, Principal, RenewedKey, Scope, issue_key, renew_key
    from holdfast.controller.quota import parse_rate
    from holdfast.controller.service import ControllerService
    from holdfast.controller.strict import JSON_DEPTH_MAX, read_json

_HOMES: Final = {
    "ControllerService": "holdfast.controller.service",
    "IssuedKey": "holdfast.controller.keys",
    "JSON_DEPTH_MAX": "holdfast.controller.strict",
    "Keyring": "holdfast.controller.keyring",
    "Principal": "holdfast.controller.keys",
    "RenewedKey": "holdfast.controller.keys",
    "Scope": "holdfast.controller.keys",
    "describe_workflow": "holdfast.controller.catalogue",
    "issue_key": "holdfast.controller.keys",
    "list_workflows": "holdfast.controller.catalogue",
    "parse_rate": "holdfast.controller.quota",
    "read_json": "holdfast.controller.strict",
    "renew_key": "holdfast.controller.keys",
}

__all__ = [
    "JSON_DEPTH_MAX",
    "ControllerService",
    "IssuedKey",
    "Keyring",
    "Principal",
    "RenewedKey",
    "Scope",
    "describe_workflow",
    "issue_key",
    "list_workflows",
    "parse_rate",
    "read_json",
    "renew_key",
]


def __getattr__(name: str) -> Any:
    # No module here may be called like a name: importing it would take the name.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
