create or replace trigger stamp before insert or update on "externalIntegrationMapping"
    for each row execute function stamp_mapping();
create or replace trigger stamp before insert or update on "externalSystem"
    for each row execute function stamp_system();
create or replace trigger check_system after insert or update on "externalSystem"
    for each row execute function check_system();
create or replace trigger record_inserts after insert on "externalIntegrationMapping"
    referencing new table as new_rows for each statement execute function record_inserts();
create or replace trigger record_updates after update on "externalIntegrationMapping"
    referencing old table as old_rows new table as new_rows for each statement execute function record_updates();
create or replace trigger record_deletes after delete on "externalIntegrationMapping"
    referencing old table as old_rows for each statement execute function record_deletes();
create or replace trigger unlink after delete on element
    referencing old table as old_rows for each statement execute function unlink_elements();
create or replace trigger stamp before update on element for each row execute function stamp_element();
create or replace trigger count_inserts after insert on "externalIntegrationMapping"
    referencing new table as new_rows for each statement execute function count_inserts();
create or replace trigger count_updates after update on "externalIntegrationMapping"
    referencing old table as old_rows new table as new_rows for each statement execute function count_updates();
create or replace trigger count_deletes after delete on "externalIntegrationMapping"
    referencing old table as old_rows for each statement execute function count_deletes();
create or replace trigger count_truncation after truncate on "externalIntegrationMapping"
    for each statement execute function distrust_counts();
create or replace trigger count_inserts after insert on element
    referencing new table as new_rows for each statement execute function count_registered();
create or replace trigger count_deletes after delete on element
    referencing old table as old_rows for each statement execute function count_unregistered();
create or replace trigger count_truncation after truncate on element
    for each statement execute function distrust_counts();
create or replace trigger forget_counts after delete on company
    referencing old table as old_rows for each statement execute function forget_counts();
-- Deferred: in the middle of a statement, its rows and what was noted of them are not of one moment. The more entities a
-- transaction touches, the more likely it folds; so a reader finds a thousand of them unfolded, or a few thousand.
do $$
begin
    if not exists (
        select 1 from pg_trigger t
        where t.tgrelid = 'tieline."mappingDelta"'::regclass and t.tgname = 'fold'
    ) then
        create constraint trigger fold after insert on "mappingDelta" deferrable initially deferred
            for each row
            when (random() * 1000 < 1 + cardinality(new.entered) + cardinality(new.gone))
            execute function tieline.fold_now();
    end if;
end
$$;
-- These triggers count all of a company that is new; recount counts those that are older.
do $$
begin
    if (
        select a.column_default from information_schema.columns a
        where a.table_schema = 'tieline' and a.table_name = 'company' and a.column_name = 'isCounted'
    ) is distinct from 'true' then
        alter table company alter column "isCounted" set default true;
    end if;
end
$$;
-- The conditions pass over most rows without a call.
create or replace trigger bound_insert before insert on "externalIntegrationMapping"
    for each row when (
        new.metadata is not null or octet_length(new.link) > 1000 or octet_length(new.id) > 500
        or octet_length(new."entityType") + octet_length(new."entityId") + octet_length(new.integration) > 1000
        or octet_length(new."externalId") > 500
    ) execute function bound_mapping();
create or replace trigger bound_update before update on "externalIntegrationMapping"
    for each row when (
        new.metadata is distinct from old.metadata
        or (octet_length(new.link) > 1000 and new.link is distinct from old.link) or octet_length(new.id) > 500
        or octet_length(new."entityType") + octet_length(new."entityId") + octet_length(new.integration) > 1000
        or octet_length(new."externalId") > 500
    ) execute function bound_mapping();
create or replace trigger bound before insert or update on "externalSystem"
    for each row execute function bound_system();
create or replace trigger bound before insert or update of title on element
    for each row when (octet_length(new.title) > 1000) execute function bound_element();
