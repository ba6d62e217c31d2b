drop table case_scores;
drop table previews;
drop table alignment_values;
drop table metric_latest;
drop table metric_points;
