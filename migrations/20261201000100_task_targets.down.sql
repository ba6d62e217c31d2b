drop index runs_by_task;
update runs set task = substr(task, 1, instr(task, ':') - 1) where instr(task, ':') > 0;
