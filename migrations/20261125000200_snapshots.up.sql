-- Pages of experiments as they were when somebody froze them: whole HTML documents, so that no later version of the
-- program has to know how to draw them. No foreign key to experiments: a frozen page stays, whatever happens to them.
create table snapshots (
    slug         text    primary key not null,
    -- Version of what `data` holds.
    schema       integer not null,
    title        text    not null,
    -- JSON: the ids of the experiments that it shows.
    experiments  text    not null,
    created_ms   integer not null,
    revoked_ms   integer,
    -- The document, with marks where the server puts what belongs to the link.
    html         text    not null,
    -- What previews of the link show, as SVG; none where nothing can be drawn.
    picture      text,
    -- The numbers as JSON, and their BLAKE3.
    data         text    not null,
    content_hash text    not null
) strict, without rowid;
