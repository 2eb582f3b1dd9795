"""The client: what an application imports to start runs and talk to them. Light: no server, no store."""

from holdfast.client.client import WorkflowClient
from holdfast.client.embedded import EmbeddedEngine
from holdfast.client.handle import ANSWER_SECONDS, RunHandle, decode_outcome

__all__ = ["ANSWER_SECONDS", "EmbeddedEngine", "RunHandle", "WorkflowClient", "decode_outcome"]
