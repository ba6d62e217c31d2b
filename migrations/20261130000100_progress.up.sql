-- What an interruption has cost. Only attempts without progress count towards the end of a run.
-- Attempts in a row that made no progress; the one that is under way counts until it makes some.
alter table runs add column misses integer not null default 0;
-- Steps at the last checkpoint that the log speaks of.
alter table runs add column checkpoint_step integer;
-- The furthest step that any attempt came to.
alter table runs add column step_max integer not null default 0;

-- Runs from before: a run that has trained has the checkpoint that is written before the first step.
update runs set
    step_max = coalesce((select max(step) from metric_latest where run_id = runs.id and name = 'train/loss'), 0),
    checkpoint_step = case when exists (select 1 from metric_latest where run_id = runs.id and name = 'train/loss')
        then 0 end;
