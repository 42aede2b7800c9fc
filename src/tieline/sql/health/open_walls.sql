-- The reasons why the role of requests could see rows of other companies, although row-level security is forced.
select 'the policy ' || p.polname || ' on ' || c.relname
from pg_policy p
join pg_class c on c.oid = p.polrelid
join pg_roles s on s.rolname = 'tieline_server'
where c.relnamespace = 'tieline'::regnamespace and p.polpermissive
    and exists (
        select 1 from unnest(p.polroles) r (id) where case when r.id = 0 then true else pg_has_role(s.oid, r.id, 'usage') end
    )
    and (p.polname <> 'tenant' or pg_get_expr(p.polqual, p.polrelid) not like '%request_company())%')
union all
select 'the role tieline_server, which row-level security does not bind'
from pg_roles s
where s.rolname = 'tieline_server' and (s.rolsuper or s.rolbypassrls)
order by 1
