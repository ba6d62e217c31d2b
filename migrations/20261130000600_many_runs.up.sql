-- Who is next, and where a run stands, without looking at rows that do not wait.
create index runs_waiting on runs (coalesce(place, number), number) where state = 'queued';
-- Counts over all runs, without reading the rows and the requests in them.
create index runs_of_experiment on runs (experiment_id, state);
create index runs_by_backbone on runs (backbone);
create index runs_by_dataset on runs (dataset);

-- Counts every change of what a leaderboard shows, so that one that was made stays in use until something else is
-- true: in the database, where no writer can forget it and no reader sees another count than its data has.
create table results_version (
    one     integer primary key constraint results_version_is_one_row check (one = 1),
    version integer not null
) strict;
insert into results_version (one, version) values (1, 0);

create trigger results_run_added after insert on runs begin
    update results_version set version = version + 1;
end;
create trigger results_run_removed after delete on runs begin
    update results_version set version = version + 1;
end;
create trigger results_run_changed after update on runs
when old.state is not new.state or old.finished_ms is not new.finished_ms or old.request is not new.request begin
    update results_version set version = version + 1;
end;
create trigger results_case_added after insert on case_scores begin
    update results_version set version = version + 1;
end;
create trigger results_case_changed after update on case_scores begin
    update results_version set version = version + 1;
end;
create trigger results_case_removed after delete on case_scores begin
    update results_version set version = version + 1;
end;
-- Of values the board shows those of the test split alone.
create trigger results_value_added after insert on metric_latest when new.name like 'test/%' begin
    update results_version set version = version + 1;
end;
create trigger results_value_changed after update on metric_latest when new.name like 'test/%' begin
    update results_version set version = version + 1;
end;
create trigger results_value_removed after delete on metric_latest when old.name like 'test/%' begin
    update results_version set version = version + 1;
end;
