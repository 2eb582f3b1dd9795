-- Where in which trace the run was started that a task belongs to (W3C Trace Context); empty for nowhere.

ALTER TABLE task_queue ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE fan_outs ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
