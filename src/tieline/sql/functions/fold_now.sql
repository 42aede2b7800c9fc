-- At the end of some transactions that have changed the counts; which ones, the trigger says.
create or replace function fold_now() returns trigger language plpgsql as $$
begin
    perform tieline.fold_counts(new."companyId");
    return null;
end
$$;
