-- A task is written with its target, as in segmentation:lesion. Requests from before named the mask to learn among the
-- settings; their text stays as it was asked, and reading it gives the same task as the column has now.
update runs
set task = 'segmentation:' || (request ->> '$.training.target')
where task = 'segmentation' and request ->> '$.training.target' in ('gland', 'lesion');
-- Which tasks there are runs of, without reading the rows.
create index runs_by_task on runs (task);
