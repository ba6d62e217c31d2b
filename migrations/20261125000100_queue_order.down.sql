alter table runs drop column place;
