drop table runs;
drop table experiments;
