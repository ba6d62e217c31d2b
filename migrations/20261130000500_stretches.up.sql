-- Curves in short: of each stretch of 32 and of 512 steps the smallest and the largest value. A page draws a run of
-- 300,000 steps from these, and reads single points only of what it zooms into. Kept by triggers, so that no writer
-- of points can forget them. No foreign key: stretches go with their points. (Who deletes a long run whole deletes
-- its stretches first: then there is nothing to keep in step.)
create table metric_stretches (
    run_id    text    not null,
    name      text    not null,
    -- Steps of a stretch: 32 or 512.
    size      integer not null,
    -- Its place: step / size.
    stretch   integer not null,
    -- Points in it.
    points    integer not null,
    -- The first of several equal values.
    low       real    not null,
    low_step  integer not null,
    high      real    not null,
    high_step integer not null,
    primary key (run_id, name, size, stretch)
) strict, without rowid;

insert into metric_stretches (run_id, name, size, stretch, points, low, low_step, high, high_step)
with sizes (size) as (values (32), (512)),
lows as (
    -- With min() and max() SQLite takes the other columns from the row that has them.
    select run_id, name, size, step / size as stretch, count(*) as points, min(value) as low, step as low_step
    from metric_points, sizes
    group by run_id, name, size, step / size
),
highs as (
    select run_id, name, size, step / size as stretch, max(value) as high, step as high_step
    from metric_points, sizes
    group by run_id, name, size, step / size
)
select run_id, name, size, stretch, points, low, low_step, high, high_step
from lows join highs using (run_id, name, size, stretch);

create trigger metric_points_added after insert on metric_points begin
    insert into metric_stretches (run_id, name, size, stretch, points, low, low_step, high, high_step)
    values
        (new.run_id, new.name, 32, new.step / 32, 1, new.value, new.step, new.value, new.step),
        (new.run_id, new.name, 512, new.step / 512, 1, new.value, new.step, new.value, new.step)
    on conflict (run_id, name, size, stretch) do update set
        points = points + 1,
        low_step = case when excluded.low < low then excluded.low_step else low_step end,
        low = min(excluded.low, low),
        high_step = case when excluded.high > high then excluded.high_step else high_step end,
        high = max(excluded.high, high);
end;

-- The rest says everything twice, once a size, since only then every row is found by its key.
create trigger metric_points_changed after update on metric_points when old.value is not new.value begin
    update metric_stretches set
        (low, low_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = new.run_id and p.name = new.name
                and p.step >= new.step / 32 * 32 and p.step < new.step / 32 * 32 + 32
            order by p.value, p.step limit 1
        ),
        (high, high_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = new.run_id and p.name = new.name
                and p.step >= new.step / 32 * 32 and p.step < new.step / 32 * 32 + 32
            order by p.value desc, p.step limit 1
        )
    where run_id = new.run_id and name = new.name and size = 32 and stretch = new.step / 32;
    update metric_stretches set
        (low, low_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = new.run_id and p.name = new.name
                and p.step >= new.step / 512 * 512 and p.step < new.step / 512 * 512 + 512
            order by p.value, p.step limit 1
        ),
        (high, high_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = new.run_id and p.name = new.name
                and p.step >= new.step / 512 * 512 and p.step < new.step / 512 * 512 + 512
            order by p.value desc, p.step limit 1
        )
    where run_id = new.run_id and name = new.name and size = 512 and stretch = new.step / 512;
end;

create trigger metric_points_removed after delete on metric_points begin
    update metric_stretches set points = points - 1
    where run_id = old.run_id and name = old.name and size = 32 and stretch = old.step / 32;
    delete from metric_stretches
    where run_id = old.run_id and name = old.name and size = 32 and stretch = old.step / 32 and points = 0;
    -- Only where the point was an extreme are the others looked at.
    update metric_stretches set
        (low, low_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = old.run_id and p.name = old.name
                and p.step >= old.step / 32 * 32 and p.step < old.step / 32 * 32 + 32
            order by p.value, p.step limit 1
        ),
        (high, high_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = old.run_id and p.name = old.name
                and p.step >= old.step / 32 * 32 and p.step < old.step / 32 * 32 + 32
            order by p.value desc, p.step limit 1
        )
    where run_id = old.run_id and name = old.name and size = 32 and stretch = old.step / 32
        and (low_step = old.step or high_step = old.step);
    update metric_stretches set points = points - 1
    where run_id = old.run_id and name = old.name and size = 512 and stretch = old.step / 512;
    delete from metric_stretches
    where run_id = old.run_id and name = old.name and size = 512 and stretch = old.step / 512 and points = 0;
    update metric_stretches set
        (low, low_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = old.run_id and p.name = old.name
                and p.step >= old.step / 512 * 512 and p.step < old.step / 512 * 512 + 512
            order by p.value, p.step limit 1
        ),
        (high, high_step) = (
            select p.value, p.step from metric_points p
            where p.run_id = old.run_id and p.name = old.name
                and p.step >= old.step / 512 * 512 and p.step < old.step / 512 * 512 + 512
            order by p.value desc, p.step limit 1
        )
    where run_id = old.run_id and name = old.name and size = 512 and stretch = old.step / 512
        and (low_step = old.step or high_step = old.step);
end;
