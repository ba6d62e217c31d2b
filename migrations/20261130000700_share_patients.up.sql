-- Whether the maker of a link wanted patients in it: ids of patients and cases, what is known of them, pictures. Links
-- from before nobody was asked for: frozen ones (schema 1) hold them in their data, which never changes.
alter table shares add column patients integer not null default 0
    constraint shares_patients_is_bool check (patients in (0, 1));
