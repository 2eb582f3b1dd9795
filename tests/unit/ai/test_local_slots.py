"""Who gets which slot of a local model."""

from __future__ import annotations

from holdfast.ai.local.slots import PASSES_MAX, Slots, Taken


def test_a_slot_that_holds_the_prefix_is_taken_before_others():
    """Then one that holds nothing, then any."""
    slots = Slots(3)
    assert [slots.take("").result().slot for _ in range(3)] == [0, 1, 2]
    slots.give_back(0, "manual")
    slots.give_back(1, "law")
    slots.give_back(2, "")
    assert slots.held == {"manual", "law"}
    assert slots.take("law").result() == Taken(1, holds=True)
    assert slots.take("law").result() == Taken(2, holds=False)
    assert slots.take("law").result() == Taken(0, holds=False)
    assert not slots.take("law").done()


def test_who_waits_for_nothing_in_particular_leaves_prefixes_alone():
    """As long as there is a slot that holds none."""
    slots = Slots(2)
    slots.take("")
    slots.give_back(0, "manual")
    assert slots.take("").result() == Taken(1, holds=False)


def test_who_waits_for_what_a_slot_holds_goes_first_but_not_for_ever():
    """The one that waits longest is passed over a few times at most."""
    slots = Slots(1)
    slots.take("manual")
    other = slots.take("law")
    same = [slots.take("manual") for _ in range(PASSES_MAX + 1)]
    served = 0
    while not other.done():
        slots.give_back(0, "manual")
        served += not other.done()
    assert served == PASSES_MAX
    assert [each.done() for each in same] == [True] * PASSES_MAX + [False]


def test_who_went_away_takes_no_slot():
    """A future that was cancelled is passed over."""
    slots = Slots(1)
    slots.take("")
    gone, next_one = slots.take("manual"), slots.take("law")
    assert gone.cancel()
    slots.give_back(0, "manual")
    assert next_one.result() == Taken(0, holds=False)
