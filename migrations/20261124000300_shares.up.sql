-- Links to comparisons. No foreign key to runs: a frozen link keeps its own data and stays as it
-- was, whatever happens to the runs.
create table shares (
    slug         text    primary key not null,
    -- Version of the JSON in this row, so that old links can always be read.
    schema       integer not null,
    frozen       integer not null constraint shares_frozen_is_bool check (frozen in (0, 1)),
    created_ms   integer not null,
    revoked_ms   integer,
    -- JSON: query fields, run ids, and CompareData for a frozen link.
    view         text    not null,
    runs         text    not null,
    data         text,
    content_hash text,
    constraint shares_frozen_has_data check (frozen = (data is not null)),
    constraint shares_data_has_hash check ((data is null) = (content_hash is null))
) strict, without rowid;
