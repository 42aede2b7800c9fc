-- Fold the counts at the end of some of the transactions that have changed them; the trigger's condition chooses.
create or replace function fold_now() returns trigger language plpgsql as $$
begin
    perform tieline.fold_counts(new."companyId");
    return null;
end
$$;
