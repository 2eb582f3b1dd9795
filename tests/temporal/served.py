"""What the processes of the command line serve in the tests of the engine on Temporal.

Owns: the definitions.
Must not know: which engine runs them.
"""

from __future__ import annotations

from holdfast import task, workflow


@task
async def capitals(article: str) -> str:
    """Return the article in capitals."""
    return article.upper()


@workflow
async def served(article: str) -> str:
    """Do one task."""
    return await capitals(article)
