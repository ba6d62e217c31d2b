-- Every value of every curve. The key makes recording repeatable: a line that is read twice, or a
-- step that a resumed worker takes again, replaces its own point. No rowid: the key is the order in
-- which curves are read.
create table metric_points (
    run_id text    not null references runs (id) on delete cascade,
    -- `split/metric`.
    name   text    not null,
    step   integer not null,
    epoch  real    not null,
    -- Milliseconds since 1970.
    t_ms   integer not null,
    value  real    not null,
    primary key (run_id, name, step)
) strict, without rowid;

-- The last point of each curve. Lists show it for many runs at once, and finding it in
-- `metric_points` would read every point of all of them.
create table metric_latest (
    run_id text    not null references runs (id) on delete cascade,
    name   text    not null,
    step   integer not null,
    epoch  real    not null,
    value  real    not null,
    primary key (run_id, name)
) strict, without rowid;

create table alignment_values (
    run_id    text    not null references runs (id) on delete cascade,
    metric    text    not null,
    layer     text    not null,
    epoch     real    not null,
    -- Depth of the layer, 0 = first.
    depth     integer not null,
    value     real    not null,
    p         real,
    bandwidth real    not null,
    n         integer not null,
    primary key (run_id, metric, layer, epoch)
) strict, without rowid;

-- Pictures in the run directory's `previews/`.
create table previews (
    run_id  text    not null references runs (id) on delete cascade,
    file    text    not null,
    step    integer not null,
    epoch   real    not null,
    case_id text    not null,
    caption text    not null,
    primary key (run_id, file)
) strict, without rowid;

create table case_scores (
    run_id     text not null references runs (id) on delete cascade,
    split      text not null,
    case_id    text not null,
    patient_id text not null,
    -- Metric to value as JSON; which metrics there are depends on the task.
    scores     text not null,
    primary key (run_id, split, case_id)
) strict, without rowid;
