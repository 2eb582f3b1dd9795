"""Gatherings: events that wait for one another, and the runs that begin with them."""

from holdfast.controller.gatherings.gatherer import Gatherer
from holdfast.controller.gatherings.service import GatheringService

__all__ = ["Gatherer", "GatheringService"]
