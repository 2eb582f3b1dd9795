"""Say how far a long task is, so that the next attempt does not begin at zero, and a hang is noticed."""

from __future__ import annotations

from examples.samples import outside
from holdfast import heartbeat, task, task_info, workflow


@task(timeout="1h", heartbeat_timeout="30s")
async def crawl(pages: int) -> list[str]:
    """Fetch pages, one after the other."""
    fetched: list[str] = list(task_info().last_progress or [])
    for page in range(len(fetched) + 1, pages + 1):
        fetched.append(await outside.ask(f"page {page}"))
        heartbeat(fetched)
    return fetched


@workflow
async def read_site(pages: int) -> int:
    """Read a site; return how many pages it has."""
    return len(await crawl(pages))
