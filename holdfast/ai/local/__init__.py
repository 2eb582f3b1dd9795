"""Language models on this machine, which compute a long prefix once and keep what they computed of it.

Owns: `local`, `Local`.
Must not know: prompts of users, providers, the library that speaks to them.

The extra `local-llm` has to be installed beside `ai`: `pip install 'holdfast[ai,local-llm]'`.
"""

from holdfast.ai.local.model import Local, local
from holdfast.ai.local.turns import Turn

__all__ = ["Local", "Turn", "local"]
