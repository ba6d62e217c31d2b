alter table shares drop column patients;
