drop trigger metric_points_removed;
drop trigger metric_points_changed;
drop trigger metric_points_added;
drop table metric_stretches;
