-- The number of a company's counts that differ from a count of all its mappings and elements at the same moment. A
-- company that was never counted has none that count.
create or replace function miscounted(company text) returns bigint language plpgsql stable as $$
declare
    differing bigint;
begin
    if not (select c."isCounted" from tieline.company c where c.id = company) then
        return 0;
    end if;
    with kept as materialized (
        select * from tieline.counts(company, null)
    ), real as materialized (
        select * from tieline.counts_in_full(company)
    ), known as materialized (
        select * from tieline.known_now(company)
    ), real_known as materialized (
        select * from tieline.known_in_full(company)
    )
    select count(*) into differing
    from (
        (select to_jsonb(k) from kept k except select to_jsonb(r) from real r)
        union all
        (select to_jsonb(r) from real r except select to_jsonb(k) from kept k)
        union all
        (select to_jsonb(k) from known k except select to_jsonb(r) from real_known r)
        union all
        (select to_jsonb(r) from real_known r except select to_jsonb(k) from known k)
    ) d;
    return differing;
end
$$;
