"""The timeline: what stands where, and what is folded."""

from __future__ import annotations

from holdfast.controller.times import iso_time
from holdfast.dashboard.timeline import draw_timeline

T = 1_700_000_000.0


def event(number, kind, at, **fields):
    """Return an event as the API gives it."""
    return {"id": number, "type": kind, "time": iso_time(T + at), **fields}


def attempt(number, started, ended, worker):
    """Return a failed attempt as the API gives it."""
    failure = {"type": "ValueError", "message": "no"}
    return {
        "number": number,
        "started": iso_time(T + started),
        "ended": iso_time(T + ended),
        "worker": worker,
        "failure": failure,
    }


def test_a_task_shows_who_tried_it_when():
    """Attempts, the waits between them, and who did it in the end: a take-over is two workers on one lane."""
    events = [
        event(1, "WorkflowStarted", 0),
        event(2, "TaskScheduled", 0, step="charge#1", task="charge"),
        event(3, "TaskCompleted", 10, step="charge#1", worker="b:2", attempts=[attempt(1, 1, 4, "a:1")]),
        event(4, "WorkflowCompleted", 10),
    ]
    drawn = draw_timeline(events, T + 99, is_open=False)
    lane, end = drawn.lanes
    assert [(each.kind, each.x, each.width) for each in lane.pieces] == [
        ("wait", "0.00%", "10.00%"),
        ("failed", "10.00%", "30.00%"),
        ("done", "40.00%", "60.00%"),
    ]
    assert "on a:1" in lane.pieces[1].title
    assert lane.worker == "b:2"
    assert (end.kind, end.step) == ("run", "completed")
    assert drawn.folds == ()


def test_long_idle_time_is_folded():
    """Two seconds of work with three days between them: both pieces are wide, and the fold says how long it is."""
    days = 3 * 86_400
    events = [
        event(1, "WorkflowStarted", 0),
        event(2, "TaskScheduled", 0, step="a#1", task="a"),
        event(3, "TaskCompleted", 1, step="a#1"),
        event(4, "TimerStarted", 1, step="sleep#1", seconds=float(days)),
        event(5, "TimerFired", 1 + days, step="sleep#1"),
        event(6, "TaskScheduled", 1 + days, step="b#1", task="b"),
        event(7, "TaskCompleted", 2 + days, step="b#1"),
    ]
    drawn = draw_timeline(events, T, is_open=False)
    assert [each.words for each in drawn.folds] == ["3 d"]
    assert drawn.lanes[0].pieces[0].width == drawn.lanes[2].pieces[0].width == "47.00%"
    assert drawn.lanes[1].said == "3 d"


def test_what_is_open_goes_on_until_now():
    """A task that has no outcome is drawn as under way; a lock shows waiting and holding."""
    events = [
        event(1, "WorkflowStarted", 0),
        event(2, "LockRequested", 0, step="lock(a)#1", name="a", slots=1),
        event(3, "LockGranted", 5, step="lock(a)#1", token=1),
        event(4, "TaskScheduled", 5, step="charge#1", task="charge"),
    ]
    lock, task = draw_timeline(events, T + 10, is_open=True).lanes
    assert [(each.kind, each.width) for each in lock.pieces] == [("wait", "50.00%"), ("held", "50.00%")]
    assert [(each.kind, each.x) for each in task.pieces] == [("open", "50.00%")]


def test_a_part_of_a_history_shows_what_ends_in_it():
    """An outcome whose beginning is in another part has a lane of its own, from the left edge."""
    events = [event(900, "TaskCompleted", 3, step="a#7", worker="w"), event(901, "SignalReceived", 6, name="go")]
    lane, mark = draw_timeline(events, T, is_open=False).lanes
    assert (lane.step, lane.pieces[0].x) == ("a#7", "0.00%")
    assert (mark.step, mark.kind) == ("go", "signal")


def test_nothing_leaves_the_drawing():
    """However many steps there are, and whatever their order, everything lies between 0 and 100 percent."""
    events = [event(1, "WorkflowStarted", 0)]
    for number in range(200):
        events.append(event(2 + 2 * number, "TaskScheduled", number**2, step=f"a#{number}", task="a"))
        if number % 3:
            events.append(event(3 + 2 * number, "TaskFailed", number**2 + 0.01, step=f"a#{number}", attempts=[]))
    drawn = draw_timeline(events, T + 50_000, is_open=True)
    for lane in drawn.lanes:
        for piece in lane.pieces:
            x, width = float(piece.x[:-1]), float(piece.width[:-1])
            assert 0 <= x <= x + width <= 100.02
    assert draw_timeline([], T, is_open=True).lanes == ()
