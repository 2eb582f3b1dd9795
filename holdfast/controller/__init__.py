"""The controller: what people and programs reach from outside. `http` puts it on the network.

Owns: the verbs of the API, API keys, how JSON from strangers is read.
Must not know: how runs are carried out.
"""

from holdfast.controller.keyring import Keyring
from holdfast.controller.keys import IssuedKey, Principal, RenewedKey, Scope, issue_key, renew_key
from holdfast.controller.quota import parse_rate
from holdfast.controller.service import ControllerService
from holdfast.controller.strict import JSON_DEPTH_MAX, read_json

__all__ = [
    "JSON_DEPTH_MAX",
    "ControllerService",
    "IssuedKey",
    "Keyring",
    "Principal",
    "RenewedKey",
    "Scope",
    "issue_key",
    "parse_rate",
    "read_json",
    "renew_key",
]
