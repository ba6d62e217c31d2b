alter table runs drop column step_max;
alter table runs drop column checkpoint_step;
alter table runs drop column misses;
