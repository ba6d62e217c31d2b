-- Runs that were started together and are meant to be compared.
create table experiments (
    -- Order of arrival; the public name is `id`.
    number     integer primary key autoincrement,
    id         text    not null constraint experiments_id_is_unique unique,
    name       text    not null,
    -- ExperimentSpec as JSON: what was asked for.
    spec       text    not null,
    created_ms integer not null
) strict;

-- One training each. A row is never edited by hand: it is what was asked for (`request`) and what
-- the run's event log has said so far.
create table runs (
    -- Order of arrival: the queue is served from the lowest, lists page from the highest.
    number            integer primary key autoincrement,
    id                text    not null constraint runs_id_is_unique unique,
    experiment_id     text    references experiments (id),
    state             text    not null default 'queued'
        constraint runs_state_is_known check (
            state in ('queued', 'preparing', 'running', 'stopping', 'stopped', 'succeeded', 'failed', 'lost')
        ),
    -- When the state was last changed: a lost run is started again some time after it was lost.
    state_ms          integer not null,
    -- RunRequest as JSON; the columns below repeat what lists filter and group by.
    request           text    not null,
    backbone          text    not null,
    task              text    not null,
    arm               text    not null,
    seed              integer not null,
    dataset           text    not null,
    dataset_hash      text    not null,
    epochs            integer not null,
    -- 1 where the data set is computed phantoms.
    synthetic         integer not null constraint runs_synthetic_is_bool check (synthetic in (0, 1)),
    -- In words; none until a worker has said it.
    device            text,
    -- Where the executor can find the worker again: a process id, a Slurm job.
    handle            text,
    phase             text,
    progress          real    not null default 0,
    eta_s             real,
    -- Failure as JSON.
    failure           text,
    attempts          integer not null default 0,
    created_ms        integer not null,
    started_ms        integer,
    finished_ms       integer,
    heartbeat_ms      integer,
    parameters        integer,
    total_epochs      integer,
    total_steps       integer,
    -- LoadReport and a list of LeftOut as JSON.
    load_report       text,
    left_out          text    not null default '[]',
    seconds           real,
    peak_memory_bytes integer,
    -- How much of events.jsonl is in this database: changed in the transaction that records it, so
    -- that a crash can neither lose a line nor count one twice.
    events_offset     integer not null default 0,
    last_seq          integer not null default 0
) strict;

create index runs_by_state on runs (state, number);
create index runs_by_experiment on runs (experiment_id, number);
