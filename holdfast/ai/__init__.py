"""Language models in automations: asked once for each step, with prefixes that are computed once.

Owns: `LLM`, `cached`, `local`, `Budget`, what requests use and cost.
Must not know: runs, workers, stores.

The extra `ai` has to be installed: `pip install 'holdfast[ai]'`.
"""

from holdfast.ai.budgets import Budget
from holdfast.ai.cached import Cached, cached
from holdfast.ai.llm import LLM
from holdfast.ai.local import Local, local
from holdfast.ai.prices import Cost
from holdfast.ai.prompts import Prompt
from holdfast.ai.spending import Spending
from holdfast.ai.usage import Usage

__all__ = ["LLM", "Budget", "Cached", "Cost", "Local", "Prompt", "Spending", "Usage", "cached", "local"]
