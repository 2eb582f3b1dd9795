"""What a controller tells of a cluster besides its runs.

Owns: the port `holdfast.ports.engine.Cluster` over Temporal.
Must not know: runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from holdfast.history.temporal import QUEUE
from holdfast.temporal.failures import unavailable
from holdfast.temporal.runtime import ENGINE

ANSWER_SECONDS: Final = 2.0
"""How long the cluster may take to say how it is."""

SEEN_SECONDS: Final = 90.0
"""How long ago a process asked for work that counts as living; it asks once a minute at least."""


class TemporalCluster:
    """A namespace of a cluster. Implements `holdfast.ports.engine.Cluster`."""

    engine: Final = ENGINE

    def __init__(self, client: Client, target: str) -> None:
        """Speak through `client`, which is connected to `target`."""
        self._client = client
        self.name = f"{target}, namespace {client.namespace}"
        """Where it is."""

    async def orchestrators(self) -> int:
        """Return how many processes run workflows there. Raises StoreError: it does not answer."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            found = await self._client.workflow_service.describe_task_queue(
                request, timeout=timedelta(seconds=ANSWER_SECONDS)
            )
        except RPCError as error:
            raise unavailable(error) from error
        since = datetime.now(UTC) - timedelta(seconds=SEEN_SECONDS)
        return len({each.identity for each in found.pollers if each.last_access_time.ToDatetime(UTC) > since})
