create or replace trigger stamp before insert or update on "externalIntegrationMapping"
    for each row execute function stamp_mapping();
create or replace trigger stamp before insert or update on "externalSystem"
    for each row execute function stamp_system();
create or replace trigger record_inserts after insert on "externalIntegrationMapping"
    referencing new table as new_rows for each statement execute function record_inserts();
create or replace trigger record_updates after update on "externalIntegrationMapping"
    referencing old table as old_rows new table as new_rows for each statement execute function record_updates();
create or replace trigger record_deletes after delete on "externalIntegrationMapping"
    referencing old table as old_rows for each statement execute function record_deletes();
create or replace trigger unlink after delete on element
    referencing old table as old_rows for each statement execute function unlink_elements();
create or replace trigger stamp before update on element for each row execute function stamp_element();
