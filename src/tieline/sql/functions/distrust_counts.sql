-- A table was emptied as a whole, which no trigger sees row by row: `migrate` and `coverage` count anew.
create or replace function distrust_counts() returns trigger language plpgsql as $$
begin
    update tieline.company c set "isCounted" = false where c.id = c.id;
    return null;
end
$$;
