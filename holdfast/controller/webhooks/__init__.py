"""What outside systems send: signed, taken once, and turned into runs and signals.

Owns: verifiers, what a delivery means, the inbox.
Must not know: HTTP.
"""

from holdfast.controller.webhooks.configured import read_webhooks
from holdfast.controller.webhooks.desk import Desk, DeskOptions
from holdfast.controller.webhooks.documents import (
    DeliveryTaken,
    InboxDelivery,
    InboxPage,
    Redeliver,
    Redelivered,
    inbox_document,
    taken_document,
)
from holdfast.controller.webhooks.generic import Hmac
from holdfast.controller.webhooks.github import GitHub
from holdfast.controller.webhooks.inbox import DELIVERIES_MAX, Inbox
from holdfast.controller.webhooks.leftovers import Leftovers
from holdfast.controller.webhooks.redaction import Redaction
from holdfast.controller.webhooks.slack import Slack
from holdfast.controller.webhooks.standard import StandardWebhooks
from holdfast.controller.webhooks.stripe import Stripe

__all__ = [
    "DELIVERIES_MAX",
    "DeliveryTaken",
    "Desk",
    "DeskOptions",
    "GitHub",
    "Hmac",
    "Inbox",
    "InboxDelivery",
    "InboxPage",
    "Leftovers",
    "Redaction",
    "Redeliver",
    "Redelivered",
    "Slack",
    "StandardWebhooks",
    "Stripe",
    "inbox_document",
    "read_webhooks",
    "taken_document",
]
