"""The real stack on virtual time, for tests of automations.

Owns: nothing but the room.
Must not know: any test runner.
"""

from holdfast.testing.world.run import WorldRun
from holdfast.testing.world.stand_ins import Call
from holdfast.testing.world.world import World

__all__ = ["Call", "World", "WorldRun"]
