"""The conformance checks notice: each bug planted here is caught by the check that is named beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.errors import HoldfastError, StoreError
from holdfast.ports.operations import Overtaken
from holdfast.stores.sql import children, deliveries, log, statements, successors
from holdfast.testing.conformance import CHECKS, Check
from tests.conformance.postgres import Ground, PostgresHarness, prepare
from tests.conformance.test_store import SQLiteHarness
from tests.servers.postgres import Postgres


@dataclass(frozen=True)
class Bug:
    """A statement that is wrong, and the check that has to notice."""

    caught_by: str
    statement: str
    right: str
    wrong: str

    def plant(self, sql: Mapping[str, str]) -> Mapping[str, str]:
        """Return `sql` with this bug in it."""
        assert self.right in sql[self.statement], "the bug is about a statement that is not there any more"
        return MappingProxyType({**sql, self.statement: sql[self.statement].replace(self.right, self.wrong)})


BUGS = (
    Bug("a_request_is_paid_from_its_budgets", "spend_budget", "held_usd = held_usd - ?4", "held_usd = held_usd"),
    Bug("a_request_that_was_refused_costs_nothing", "spend_budget", "held_usd = held_usd - ?4", "held_usd = held_usd"),
    Bug("many_that_ask_at_once_keep_to_a_budget", "hold_budget", "budgets.held_usd + excluded.held_usd", "0"),
    Bug("a_budget_may_be_given_more", "parked_for", "parked = ?1", "parked <> ?1"),
    Bug("a_budget_may_be_given_more", "budgets_of", "scope = ?1", "scope <> ?1"),
    Bug("a_request_nobody_ended_counts", "lapsed_model_calls", "lapses_at <= ?1", "lapses_at > ?1"),
    Bug("usage_is_summed_up", "usage_by_step", "sum(cache_read_tokens)", "coalesce(sum(cache_read_tokens), 0)"),
    Bug("sums_outlive_runs", "drop_model_calls", "run_id = (", "workflow = ("),
    Bug("what_is_said_is_read_from_any_place", "read_pieces", "start + characters > ?3", "start > ?3"),
    Bug("another_attempt_says_everything_anew", "open_stream", "epoch = streams.epoch + 1, ", ""),
    Bug("what_is_said_is_bounded_and_goes_with_its_run", "drop_streams_of_run", "run_id = (", "name = ("),
    Bug("an_answer_is_kept_for_some_time", "put_model_answer", "DO UPDATE SET body = excluded.body,", "DO UPDATE SET"),
    Bug("a_host_is_known_to_everybody", "read_hosts", "ORDER BY host", "ORDER BY host DESC"),
    Bug("failures_of_all_open_one_circuit", "put_host", "DO UPDATE SET state = excluded.state", "DO NOTHING"),
    Bug("turns_are_given_out_once", "put_host", "DO UPDATE SET state = excluded.state", "DO NOTHING"),
    Bug("a_drift_parks_all_runs_under_one_report", "count_drift_run", "runs + 1", "runs + 2"),
    Bug("a_settled_drift_lets_runs_go_on_in_parts", "parked_by_drift", "status = 'PARKED'", "status = 'RUNNING'"),
    Bug("what_is_proposed_stands_in_the_report", "propose_mappings", "settled_at IS NULL", "settled_by IS NOT NULL"),
    Bug(
        "an_accepted_drift_leaves_a_mapping",
        "drifted",
        "exchanges.execution = executions.id",
        "exchanges.execution > 0",
    ),
    Bug("a_contract_is_learned_by_all_together", "put_contract", "revision = excluded.revision", "revision = ?4 - 1"),
    Bug("contracts_are_listed_by_their_newest_versions", "drop_old_contracts", "<= ?3", "< ?3"),
    Bug("contracts_are_listed_by_their_newest_versions", "read_contracts", "max(version)", "min(version)"),
    Bug("a_contract_is_learned_anew", "newest_contract", "ORDER BY version DESC", "ORDER BY version"),
    Bug("what_a_host_gives_up_is_news_once", "put_retirement", "sunset_at = excluded.sunset_at, ", ""),
    Bug("calls_of_the_last_attempt_are_kept", "put_exchanges", "DO UPDATE SET body = excluded.body", "DO NOTHING"),
    Bug("calls_go_with_their_history", "drop_exchanges", "execution = ?1", "execution = ?1 + 1"),
    Bug("a_start_is_idempotent", "started_before", "digest, id", "digest, id + 1"),
    Bug("a_taken_id_conflicts", "started_before", "input_digest", "x'6a'"),
    Bug("a_start_finds_a_closed_run", "started_before", "status", "'RUNNING'"),
    Bug("pages_come_back", "read_pages", "AND last > ?2", "AND last > ?2 + 1"),
    Bug("an_append_needs_an_owner", "held_execution", "AND owner = ?2", "AND ?2 = ?2"),
    Bug("two_objects_may_write_for_one_member", "loosen_grip", "grip = 0", "grip = grip"),
    Bug("a_run_ends_once", "close_execution", "owner = NULL,", ""),
    Bug("a_message_is_delivered_once", "put_delivered", "VALUES (?1, ?2, ?3)", "VALUES (?1, ?2 || ?3, ?3)"),
    Bug("messages_keep_their_order", "read_member_inbox", "ORDER BY id", "ORDER BY execution, id"),
    Bug("messages_keep_their_order", "drop_read_inbox", "AND id <= ?2", "AND ?2 = ?2"),
    Bug("a_run_does_not_end_with_unread_mail", "look_before_closing", "id > ?2", "id > ?2 + 1"),
    Bug("a_claim_takes_what_is_ready", "ready_executions", "ORDER BY id", "ORDER BY id DESC"),
    Bug("a_claim_takes_what_is_ready", "own_execution", "owner = ?2", "owner = nullif(?2, ?2)"),
    Bug(
        "a_released_run_waits_for_a_reason",
        "release_execution",
        "EXISTS (SELECT 1 FROM inbox WHERE execution = ?1)",
        "0",
    ),
    Bug("a_released_run_waits_for_a_reason", "release_execution", "AND owner = ?2", "AND ?2 = ?2"),
    Bug("a_released_run_waits_for_a_reason", "release_execution", "?3 OR ", "?3 AND 0 OR "),
    Bug("a_timer_is_never_early", "wake_executions", "wake_at <= ?1", "wake_at <= ?1 + 1"),
    Bug("a_run_begins_when_it_is_to", "make_ready", " AND starts_at = 0", ""),
    Bug("a_run_begins_when_it_is_to", "make_unowned_ready", " AND starts_at = 0", ""),
    Bug("a_run_begins_when_it_is_to", "resume_execution", "ready = (starts_at = 0)", "ready = 1"),
    Bug("a_run_begins_when_it_is_to", "schedule_execution", "wake_at = ?2, ", ""),
    Bug("a_run_begins_when_it_is_to", "wake_executions", ", starts_at = 0", ""),
    Bug("a_run_that_begins_later_has_a_place_in_line", "schedule_execution", "ready = 0, ", ""),
    Bug("a_run_is_cancelled_before_it_begins", "is_scheduled", "starts_at > 0", "starts_at < 0"),
    Bug("the_dead_lose_their_runs", "check_member", "AND lives = 1", ""),
    Bug("the_dead_lose_their_runs", "free_executions", "recoveries + ?2", "recoveries + ?2 * 0"),
    Bug("the_dead_lose_their_runs", "disown_inboxes_of", "owner = ?1", "owner = -?1"),
    Bug("a_late_member_may_go_on_until_reaped", "check_member", "lives = 1", "expires_at > 1000015"),
    Bug("a_reaper_that_was_away_waits", "note_reaper", "reaps_from = ?3", "reaps_from = ?3 * 0"),
    Bug("poison_is_parked", "park_poison", "recoveries >= ?2", "recoveries > ?2"),
    Bug("poison_is_parked", "resume_execution", "recoveries = 0,", ""),
    Bug("a_stable_run_is_forgiven", "make_stable", "recoveries = 0", "recoveries = recoveries"),
    Bug("a_run_is_parked_for_what_became_of_a_task", "park_execution", "parked = ?2", "parked = substr(?2, 1, 3)"),
    Bug("a_run_parks_itself", "park_execution", "parked = ?2", "parked = substr(?2, 1, 3)"),
    Bug("leaving_frees_at_once", "free_executions", "recoveries + ?2", "recoveries + ?2 + 1"),
    Bug("time_never_goes_back", "write_meta", "now = ?3", "now = min(now, ?3)"),
    Bug("runs_are_listed_by_page", "list_executions", "id < ?1", "id <= ?1"),
    Bug("runs_are_listed_by_page", "count_executions", "newest = 1", "status = 'FAILED'"),
    Bug("a_run_is_found_by_name", "numbered_execution", "AND number = ?2", "AND ?2 = ?2"),
    Bug("a_run_nobody_owns_is_terminated_at_once", "close_execution", "closed_at = ?4", "closed_at = ?4 - 1"),
    Bug("a_terminated_run_leaves_nothing_behind", "drop_inbox", "execution = ?1", "execution = -?1"),
    Bug("an_owner_is_told_to_terminate", "told_to_end", "owner = ?1", "owner = -?1"),
    Bug("an_owner_is_told_to_terminate", "execution_told_to_end", "ORDER BY id", "ORDER BY id DESC"),
    Bug("a_parked_run_sees_that_it_is_cancelled", "unpark_execution", "ready = 1", "ready = 1, recoveries = 0"),
    Bug("a_paused_run_does_not_move", "pause_execution", "owner = NULL,", ""),
    Bug("a_paused_run_does_not_move", "ready_executions", "AND status = 'RUNNING'", ""),
    Bug("a_paused_run_does_not_move", "resume_execution", "paused_by = '',", ""),
    Bug("any_open_run_can_be_paused", "resume_execution", "('PARKED', 'PAUSED')", "('PARKED', 'PAUSED', 'RUNNING')"),
    Bug("a_run_that_moves_away_takes_its_mail_along", "drop_inbox", "execution = ?1", "execution >= ?1"),
    Bug("who_lost_a_run_hears_of_it", "note_taken", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE 0"),
    Bug("who_lost_a_run_hears_of_it", "forget_taken", "member = ?1", "member = -?1"),
    Bug("tasks_of_a_paused_run_wait", "set_aside_tasks", "IN (0, 1, ", "IN (1, "),
    Bug("tasks_of_a_paused_run_wait", "release_tasks", "'PAUSED'", "'paused'"),
    Bug("tasks_of_a_paused_run_wait", "free_tasks", "'PAUSED'", "'paused'"),
    Bug("tasks_of_a_paused_run_wait", "resume_tasks", "state = 3", "state = 4"),
    Bug("chunks_of_a_paused_run_wait", "set_aside_chunks", "IN (0, 1)", "IN (0)"),
    Bug("runs_are_found_by_filter", "find_executions", "created_at >= ?5", "created_at < ?5"),
    Bug("runs_are_found_by_filter", "find_executions", "'FAILED', ", "'FAILED', 'COMPLETED', "),
    Bug("runs_are_found_by_filter", "count_found_executions", "created_at < ?6", "created_at <> ?6"),
    Bug("runs_are_found_by_attributes", "find_executions_with_attributes", "a.key = ?9", "a.value = ?9"),
    Bug("runs_are_found_by_attributes", "find_executions_with_attributes", "b.key = wanted.value ->> 1", "1"),
    Bug("runs_are_found_by_attributes", "find_executions_with_attributes", "a.execution < ?1", "a.execution <> ?1"),
    Bug("runs_are_found_by_attributes", "count_found_with_attributes", "a.name = ?8", "?8 = ?8"),
    Bug("runs_are_found_by_attributes", "move_attributes", "execution = ?2", "execution = ?1 + ?2 * 0"),
    Bug("runs_are_found_by_attributes", "move_memo", "execution = ?2", "execution = ?1 + ?2 * 0"),
    Bug("a_run_changes_what_it_is_found_by", "drop_attribute", "name = ?2", "?2 = ?2"),
    Bug("a_run_changes_what_it_is_found_by", "move_attributes", "execution = ?2", "execution = ?1 + ?2 * 0"),
    Bug("a_run_without_a_version_gets_its_first_claimers", "note_version", "= ?2", "= code_version || substr(?2, 2)"),
    Bug("operation_ids_go_along", "drop_old_delivered", "OFFSET ?2", "OFFSET ?2 * 0"),
    Bug("requests_follow_a_run", "move_requests", ", owner = NULL", ""),
    Bug("a_message_is_for_one_execution", "numbered_execution", "AND number = ?2", "AND ?2 = ?2 ORDER BY number DESC"),
    Bug("a_fork_begins_with_what_it_holds", "leased_place", "AND token = ?3", "AND ?3 = ?3"),
    Bug("a_fork_begins_with_what_it_holds", "take_over_place", "expires_at = NULL", "expires_at = expires_at"),
    Bug("a_fork_begins_with_what_it_holds", "copy_outcomes", "WHERE fan_out = ?2", "WHERE fan_out = -?2"),
    Bug("chunks_of_a_paused_run_wait", "fan_out_status", "executions.status", "'RUNNING'"),
    Bug("what_went_wrong_waits_for_its_capture", "resume_execution", ", captured = ''", ""),
    Bug("what_went_wrong_waits_for_its_capture", "mark_captured", "captured = ?2", "captured = lower(?2)"),
    Bug("what_went_wrong_waits_for_its_capture", "mark_older_captured", "AND id < ?1", "AND id < -?1"),
    Bug("what_went_wrong_waits_for_its_capture", "uncaptured", "ORDER BY id DESC", "ORDER BY id"),
    Bug("a_run_that_ended_is_started_again", "started_before", "number DESC", "number"),
    Bug("an_open_run_makes_place", "take_execution", "owner = NULL", "owner = owner"),
    Bug("an_open_run_makes_place", "make_older", "newest = 0", "newest = 1"),
    Bug("a_signal_comes_with_the_start", "put_delivered", "VALUES (?1, ?2, ?3)", "VALUES (?1, ?2 || ?3, ?3)"),
    Bug("only_what_failed_is_started_again", "create_execution", "?6, 1, ?7", "?6, 0, ?7"),
    Bug("what_a_start_names_is_kept", "drop_unused_blobs", "others.execution <> ?1", "others.execution > ?1"),
    Bug("what_a_start_names_is_kept", "use_blob", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE ?1 <> 1"),
    Bug("what_a_next_start_names_is_kept", "use_blob", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE ?1 <> 2"),
    Bug("what_an_append_names_is_kept", "use_blob", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE ?1 <> 1"),
    Bug("what_a_child_names_is_kept", "use_blob", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE ?1 <> 2"),
    Bug("what_a_continuation_names_is_kept", "use_blob", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE ?1 <> 2"),
    Bug("what_a_fork_has_is_kept", "use_blob", "VALUES (?1, ?2)", "SELECT ?1, ?2 WHERE ?1 <> 2"),
    Bug("what_a_fork_has_is_kept", "pruned_fan_out", "pruned = 1", "pruned = 2"),
    Bug("what_a_fork_has_is_kept", "drop_outcomes", "WHERE execution = ?1", "WHERE execution >= ?1"),
    Bug("what_is_open_is_not_pruned", "prunable", "closed_at < ?3", "coalesce(closed_at, 0) < ?3"),
    Bug("what_is_pruned_keeps_its_row", "empty_pages", "body = x''", "body = x'', hash = x''"),
    Bug("what_is_pruned_keeps_its_row", "note_pruned", "pruned = 1", "pruned = 0"),
    Bug("only_what_is_old_is_pruned", "prunable", "id <= ?2", "?2 = ?2"),
    Bug("only_what_is_old_is_pruned", "prunable", "closed_at < ?3", "?3 = ?3 AND closed_at > 0"),
    Bug("what_went_wrong_is_kept_for_its_capture", "prunable", "captured = status", "captured <> 'x'"),
    Bug("a_notice_is_due_when_its_run_has_ended", "release_notices", "due = ?2", "due = ?2 + 1"),
    Bug("a_notice_is_due_when_its_run_has_ended", "due_notices", "n.due <= ?1", "n.due <= ?1 OR n.status = 'WAITING'"),
    Bug("a_notice_that_is_not_settled_is_due_again", "settle_notice", "AND attempt = ?2", "AND ?2 = ?2"),
    Bug("a_notice_that_is_not_settled_is_due_again", "claim_notice", "due = ?3", "due = NULLIF(?3, ?3)"),
    Bug("a_notice_is_tried_again_when_it_is_said", "settle_notice", "error = ?6", "error = substr(?6, 1, 3)"),
    Bug("a_notice_is_tried_again_when_it_is_said", "resend_notice", "('SENT', 'UNSENT')", "('SENT', 'UNSENT', 'DUE')"),
    Bug("notices_go_along_when_a_run_goes_on", "move_notices", "execution = ?1", "execution = -?1"),
    Bug("a_delivery_is_carried_out_once", "find_delivery", "state, run_id", "state, ''"),
    Bug("deliveries_at_once_are_one", "find_delivery", "digest, state", "x'', state"),
    Bug("a_reason_is_read_as_it_was_noted", "list_deliveries", "state, reason", "state, substr(reason, 1, 3)"),
    Bug("a_signal_is_noted_with_its_delivery", "find_delivery", "run_id, reason", "upper(run_id), reason"),
    Bug("what_cannot_be_carried_out_is_noted_and_tried_again", "decide_delivery", "attempts + ?6", "attempts + 0 * ?6"),
    Bug("what_is_ignored_stays_so_until_somebody_wants_it", "find_delivery", "run_id, reason", "run_id, ''"),
    Bug("another_body_under_the_same_id_is_refused", "read_delivery", "headers, body", "headers, x''"),
    Bug(
        "the_same_body_under_another_id_is_a_replay_where_nothing_binds_them",
        "find_delivery_of_body",
        "digest = ?3",
        "digest <> ?3",
    ),
    Bug("refused_deliveries_do_not_fill_the_disk", "drop_refused_deliveries", "OFFSET ?1", "OFFSET ?1 + 1"),
    Bug("deliveries_are_found_and_forgotten", "prune_deliveries", "LIMIT ?2", "LIMIT ?2 + 1"),
    Bug("schedules_are_created_changed_and_dropped", "change_schedule", "spec = ?4", "spec = spec"),
    Bug("a_step_is_taken_once_with_its_start", "move_schedule", "revision = ?2", "revision = revision + ?2 * 0"),
    Bug("what_came_of_a_start_is_noted_with_it", "read_fires", "ORDER BY id DESC", "ORDER BY id"),
    Bug("due_schedules_are_found_by_time_and_by_the_ends_of_runs", "settle_fire", "is_open = 0", "is_open = 1"),
    Bug("a_batch_gathers_until_it_is_full", "standing_gathering", "AND key = ?2", "AND ?2 = ?2"),
    Bug("a_batch_gathers_until_it_is_full", "due_gatherings", "due_at <= ?1", "due_at <= ?1 + 60"),
    Bug("a_batch_gathers_until_it_is_full", "read_gathered", "ORDER BY number", "ORDER BY number DESC"),
    Bug("a_debounce_waits_for_silence", "note_gathered", "due_at = ?4", "due_at = due_at + ?4 * 0"),
    Bug("a_debounce_waits_for_silence", "empty_gathered", "event = x''", "event = event"),
    Bug("a_late_event_opens_the_next", "close_gathering", "state = 'full'", "state = 'begun'"),
    Bug("an_event_is_gathered_once", "find_gathered", "g.events", "g.events + 1"),
    Bug("a_gathering_begins_one_run", "gathering_standing", "state, events", "state, events - 1"),
    Bug("a_gathering_begins_one_run", "settle_gathering", "state = ?2", "state = state"),
    Bug("a_refused_run_keeps_its_events", "settle_gathering", "reason = ?4", "reason = substr(?4, 1, 3)"),
    Bug("a_gathering_may_be_hurried", "hurry_gathering", "due_at = ?2", "due_at = due_at + ?2 * 0"),
    Bug("a_refused_run_keeps_its_events", "hurry_gathering", "state = 'full'", "state = state"),
    Bug("gatherings_are_listed_and_forgotten", "prunable_gatherings", "begun_at < ?1", "begun_at > ?1"),
    Bug("gatherings_are_listed_and_forgotten", "drop_gathering", "id = ?1", "id = -?1"),
    Bug("notes_of_a_schedule_are_kept_in_order_and_in_bounds", "prune_fires", "AND is_open = 0", ""),
    Bug("notes_of_a_schedule_are_kept_in_order_and_in_bounds", "drop_fires", "schedule = ?1", "schedule = ?1 || 'x'"),
    Bug("an_append_needs_its_place", "held_execution", "parts, tips.last", "parts, tips.last + 1"),
    Bug("mail_needs_a_run", "newest_execution", "id, owner, status", "max(id), max(owner), max(status)"),
    Bug("a_first_lease_may_last_longer", "join_member", "?7, ?8, ?9", "?7, ?7 + ?9 + ?8 * 0, ?9"),
    Bug("a_slow_reaper_reaps_in_the_end", "note_reaper", "reaps_from = ?3", "reaps_from = ?2 + lease_seconds + ?3 * 0"),
    Bug("member_numbers_are_never_used_again", "write_meta", "token = ?4", "token = token + ?4 * 0"),
    Bug("a_pause_does_not_undo_a_termination", "execution_told_to_end", "'terminate'", "'end'"),
    Bug("a_new_id_is_started_by_any_policy", "create_execution", "?6, 1, ?7", "?6, 0, ?7"),
    Bug("an_open_run_is_refused_or_used", "started_before", "digest, id", "digest, id + 1"),
    Bug("a_pinned_run_is_claimed_by_its_version_alone", "ready_executions", "pin IN ('', known.version)", "pin = pin"),
    Bug("a_pinned_run_is_claimed_by_its_version_alone", "pin_execution", "pin = ?2", "pin = substr(?2, 9)"),
    Bug("a_run_that_does_not_fit_waits_for_other_code", "ready_executions", "<> known.version", "= misfit"),
    Bug("a_run_that_does_not_fit_waits_for_other_code", "fit_executions", "misfit NOT IN ('', ?2)", "misfit <> ?2"),
    Bug("a_run_that_nobody_owns_times_out", "due_deadlines", "due <= ?1", "due <= ?1 + 1000"),
    Bug("a_child_begins_with_its_parents_page", "create_execution", "?6, 1, ?7", "?6, 0, ?7"),
    Bug("a_childs_end_reaches_its_parent", "parents_of", "child = ?1", "child = -?1"),
    Bug("a_child_that_ended_wakes_its_parent", "make_ready", "ready = 1", "ready = 0"),
    Bug("the_same_work_is_found_as_a_child", "newest_work", "input_digest", "x'6f'"),
    Bug("a_parents_end_is_its_childrens", "put_child", "?4)", "substr(?4, 1, 6))"),
    Bug("a_tree_ends_although_nobody_owns_it", "children_of", "parent = ?1", "parent = -?1"),
    Bug("a_child_is_asked_to_stop_once", "put_delivered", "VALUES (?1, ?2, ?3)", "VALUES (?1, ?2 || ?3, ?3)"),
    Bug("a_message_goes_out_with_its_page", "put_inbox", "?8, ?9", "substr(?8, 9), ?9"),
    Bug("a_run_goes_on_as_a_new_execution", "move_delivered", "execution = ?2", "execution = ?1 + ?2 * 0"),
    Bug("answers_stay_behind", "move_inbox", "AND kind IN ('signal', 'cancel', 'terminate')", ""),
    Bug("answers_stay_behind", "drop_answers", "execution = ?1", "execution = -?1"),
    Bug("a_parked_run_is_cancelled_by_another", "unpark_execution", "status = 'RUNNING'", "status = 'PARKED'"),
    Bug("kin_follow_a_run", "move_children", "parent = ?2", "parent = ?1 + ?2 * 0"),
    Bug("kin_follow_a_run", "move_parents", "child = ?2", "child = ?1 + ?2 * 0"),
    Bug("a_childs_time_is_its_own", "put_deadline", "VALUES (?1, ?2)", "VALUES (?1, ?2 * 2)"),
    Bug("a_limit_lets_in_so_many", "weigh_places", "held = 1", "held = 2"),
    Bug("a_limit_lets_in_so_many", "hold_places", "held = 1", "held = 0"),
    Bug("a_limit_lets_in_so_many", "touch_lines", "(?1)", "(?1 || 'x')"),
    Bug("a_limit_lets_in_so_many", "take_touched_lines", "RETURNING line", "RETURNING ''"),
    Bug("a_place_is_passed_on_whatever_ends_it", "retry_task", "held = 0", "held = held"),
    Bug("a_place_is_passed_on_whatever_ends_it", "release_tasks", "0, held", "held, held"),
    Bug("a_place_is_passed_on_whatever_ends_it", "limited_tasks_of", "place, limits", "'', limits"),
    Bug("a_place_is_passed_on_whatever_ends_it", "drop_limited_tasks", "place, limits", "'', limits"),
    Bug(
        "a_killed_holder_keeps_no_more_than_its_place", "remove_poisonous_tasks", "recoveries, place", "recoveries, ''"
    ),
    Bug("a_killed_holder_keeps_no_more_than_its_place", "free_tasks", "0, held", "0, 0"),
    Bug("a_killed_holder_keeps_no_more_than_its_place", "note_lost_attempt", "id = ?1", "id = -?1"),
    Bug("keys_take_turns", "stand_in_line", "max(turn) + 1", "max(turn)"),
    Bug("keys_take_turns", "stand_in_line", "- 1 AS ahead", "* 0 AS ahead"),
    Bug("keys_take_turns", "still_due_tasks", "visible_at, id", "visible_at, -id"),
    Bug("keys_take_turns", "claimable_in_turn", "turn, id", "id"),
    Bug("keys_take_turns_in_line_for_a_place", "first_in_line", "turn, id", "id"),
    Bug("whoever_holds_a_prefix_goes_first", "hold_prefixes", "prefixes = ?2", "prefixes = iif(?2 = '', '', '{}')"),
    Bug("whoever_holds_a_prefix_goes_first", "read_members", "versions, prefixes", "versions, '{}'"),
    Bug("what_nobody_holds_is_one_workers", "claimable_with_prefixes", "SELECT priority, id", "SELECT priority, -id"),
    Bug("who_waits_longer_than_it_costs_is_taken", "waiting_with_prefixes", "visible_at > ?1", "visible_at < ?1"),
    Bug("the_oldest_is_not_passed_over", "claimable_with_prefixes", "LIMIT ?3", "LIMIT min(?3, 0)"),
    Bug("a_dead_holder_keeps_nothing", "living_holders", "lives = 1 AND expires_at > ?1", "?1 > 0"),
    Bug("a_prefix_waits_for_everything_else_too", "stand_in_line", "- 1 AS ahead", "* 0 AS ahead"),
    Bug("many_prefixes_cost_no_more_than_few", "claimable_with_prefix", "LIMIT ?4", "LIMIT min(?4, 0)"),
    Bug("two_that_claim_at_once_share", "claimable_in_turn", "line = ?4", "line = ?4 || 'x'"),
    Bug("a_cold_prefix_is_warmed_by_one", "drop_warm_prefix", "AND asker = ?2", "AND ?2 <> ''"),
    Bug("a_cold_prefix_is_warmed_by_one", "forget_warm_prefixes", "until <= ?1", "until <= min(?1, 0)"),
    Bug("a_rate_is_never_exceeded", "weigh_rates", "until > ?3", "until > ?3 + 10"),
    Bug("a_rate_is_never_exceeded", "put_rate_use", "units + excluded.units", "units"),
    Bug("a_paused_pool_is_not_claimed_from", "pool_rules", "name, paused", "name, 0"),
    Bug("a_paused_pool_is_not_claimed_from", "pause_pool", "reason = excluded.reason", "reason = reason"),
    Bug("a_limited_pool_has_so_many_under_way", "count_pool_in_flight", "FROM chunks WHERE", "FROM chunks WHERE 0 AND"),
    Bug("a_limited_pool_has_so_many_under_way", "drop_free_pool", "AND slots IS NULL", "AND slots = 0"),
    Bug("rates_that_are_due_at_once_are_each_taken_once", "drop_rate_hold", "task = ?1", "task = -?1"),
    Bug("a_large_one_gets_its_turn", "first_in_line", "turn, id", "turn DESC, id"),
    Bug("a_frozen_rate_lets_nobody_start", "freeze_rate", "WHERE frozen_until < excluded.frozen_until", ""),
    Bug("a_frozen_rate_lets_nobody_start", "put_back_in_line", "line = ?2", "line = substr(?2, 9)"),
    Bug("a_limit_that_was_set_counts_at_once", "put_limit_rule", "amount = excluded.amount", "amount = amount"),
    Bug("a_limit_that_was_set_counts_at_once", "drop_limit_rule", "name = ?2", "name = ?2 || 'x'"),
    Bug("a_limit_that_was_set_counts_at_once", "lines_named", "line = ?1", "line = ?1 || 'x'"),
    Bug("a_limit_is_set_for_one_key_or_for_each", "weigh_places", "name = ?1", "name = ?2"),
    Bug("a_limit_is_set_for_one_key_or_for_each", "weigh_places", "name = ?2", "name = ?2 || 'x'"),
    Bug("a_rate_that_was_set_counts_at_once", "weigh_rates", "SELECT amount", "SELECT amount - 1"),
    Bug("a_rate_that_was_set_counts_at_once", "read_limit_rules", "amount, changed_by", "0, changed_by"),
    Bug("places_come_before_rates", "read_queue", "failures, line", "failures, ''"),
    Bug("places_come_before_rates", "weigh_places", "held = 1", "held = 1 AND state = 2"),
)


@dataclass(frozen=True)
class Slip:
    """A function that is wrong, where no statement could be, and the check that has to notice."""

    caught_by: str
    owner: ModuleType
    function: str
    wrong: Callable[..., Any]


def _send_to_anybody(session: Any, sender: int, message: Any, *, tells: bool) -> None:
    _SEND(session, sender if tells else -1, message, tells=tells)


def _note_what_was_overtaken(session: Any, operation: Any, delivery_id: int | None) -> Any:
    result = _DECIDE(session, operation, delivery_id)
    if isinstance(result, Overtaken):
        deliveries._put(session, operation, operation.state, "overtaken")
    return result


def _start_anything(session: Any, operation: Any, create: Any) -> Any:
    policy = replace(operation.policy, only=())
    return _START_NEXT(session, replace(operation, policy=policy), create)


_SEND = children._send
_START_NEXT = successors.start_next
_DECIDE = deliveries._decide

SLIPS = (
    Slip("a_run_of_somebody_elses_workflow_is_left_alone", successors, "start_next", _start_anything),
    Slip("the_last_word_to_oneself_is_nobodys", children, "_send", _send_to_anybody),
    Slip("an_overtaken_start_is_not_noted", deliveries, "_decide", _note_what_was_overtaken),
    Slip("payloads_are_kept_by_hash", log, "read_blob", lambda *_: bytes(range(256)) * 64),
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.caught_by}-{bug.statement}")
def test_a_planted_bug_is_caught(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails on a store with the bug."""
    (check,) = (check for check in CHECKS if check.__name__ == bug.caught_by)
    wrong = bug.plant(statements.load("holdfast.stores.sqlite"))
    load: Callable[[str], Mapping[str, str]] = lambda _package: wrong  # noqa: E731 - one line, one use
    monkeypatch.setattr(statements, "load", load)
    fails(check, SQLiteHarness(tmp_path / "store.db"))


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.caught_by)
def test_a_slip_is_caught(slip: Slip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails on a store that does it wrong."""
    monkeypatch.setattr(slip.owner, slip.function, slip.wrong)
    (check,) = (check for check in CHECKS if check.__name__ == slip.caught_by)
    fails(check, SQLiteHarness(tmp_path / "store.db"))


def test_every_check_was_seen_to_fail() -> None:
    """There is no check that nothing was planted for."""
    planted = {bug.caught_by for bug in BUGS} | {slip.caught_by for slip in SLIPS}
    assert [check.__name__ for check in CHECKS if check.__name__ not in planted] == []


BUGS_ON_POSTGRES = (
    Bug("a_late_member_may_go_on_until_reaped", "begin_write", "lives = 1", "grip = 1"),
    Bug("time_never_goes_back", "begin_write", "max(at)", "min(0.0)"),
    Bug("a_run_ends_once", "close_execution", "status = given.status", "status = executions.status"),
    Bug("messages_keep_their_order", "drop_read_inbox", "inbox.id <= given.id", "given.id = given.id"),
    Bug("a_run_does_not_end_with_unread_mail", "look_before_all_closing", "id > n.mail_read", "id > n.mail_read + 1"),
    Bug("two_objects_may_write_for_one_member", "loosen_grip", "grip = 0", "grip = grip"),
)
"""Some that PostgreSQL's own statements and transactions might have: its checks have been seen to fail, too."""


@pytest.fixture(scope="module")
def ground(postgres_server: Postgres) -> Ground:
    """Return a database whose store is emptied before each check."""
    return prepare(postgres_server)


@pytest.mark.parametrize("bug", BUGS_ON_POSTGRES, ids=lambda bug: f"{bug.caught_by}-{bug.statement}")
def test_a_bug_on_postgres_is_caught(bug: Bug, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails on a store with the bug."""
    (check,) = (check for check in CHECKS if check.__name__ == bug.caught_by)
    wrong = bug.plant(statements.load("holdfast.stores.postgres"))
    monkeypatch.setattr(statements, "load", lambda _package: wrong)
    ground.clear()
    fails(check, PostgresHarness(ground.dsn))


def fails(check: Check, harness: SQLiteHarness | PostgresHarness) -> None:
    """Expect that a check fails on an empty store, because a promise is not kept."""

    async def run() -> None:
        try:
            await check(harness)
        finally:
            await harness.close()

    with pytest.raises((AssertionError, HoldfastError)) as caught:
        asyncio.run(run())
    assert not isinstance(caught.value, StoreError), "the statement was not wrong but broken"
