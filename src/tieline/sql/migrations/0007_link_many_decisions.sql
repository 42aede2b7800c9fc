-- link_many: a batch of mappings in one call, with the rules of an import: rows are taken as if one after the other, a
-- mapping is found by its entity and integration, what a row leaves out stays as it is.
--
-- One after the other are the decisions, which are made in memory; what is decided is written by a few statements for
-- the whole batch. The order between rows can be given up there, as a mapping changes twice at the most: an id may be
-- taken from it, and its own row may land, later, as what landed is never moved. So all that is to be taken is taken
-- first, then all lands.

-- A row of the batch. `id` is the mapping's if it is a new one; `given` is the row as it came: what it leaves out
-- matters only if there is a mapping already.
create type "wantedMapping" as (
    index integer, id text, "entityType" text, "entityId" text, integration text, "externalId" text,
    "allowDuplicateExternalId" boolean, metadata jsonb, "lastSyncedAt" timestamptz, "remoteUpdatedAt" timestamptz,
    link text, given json
);
-- A row beside what was there before the batch: its own mapping, whether what the row says of it besides the external
-- id and the flag is there already, and another entity's mapping that has the external id for itself. `landedBy` is an
-- earlier row, which made that mapping.
create type "metMapping" as (
    wanted "wantedMapping", "mappingId" text, "heldExternalId" text, "heldShared" boolean, "wantsShared" boolean,
    "saysTheRest" boolean, "landedBy" integer, "holderId" text, "holderEntityId" text, "holderHasLink" boolean,
    "holderLandedBy" integer
);
-- What becomes of a row: created, updated, unchanged; repeated, when an earlier row landed on its mapping; held, when
-- another entity keeps the external id, which an earlier row may have given it. A row that is written has a wave; one
-- that wants what is given up in a wave is of the next.
create type "linkDecision" as (index integer, decision text, "duplicateOf" integer, "isMove" boolean, wave integer);
create type "linkOutcome" as (index integer, outcome text, "mappingId" text, problem jsonb, "movedFrom" jsonb);

-- The rows of a JSON array of objects, numbered from `first`.
create function wanted_mappings(mappings json, first integer) returns "wantedMapping"[]
    language sql volatile as $$
    select array_agg(
        row(
            first - 1 + w.n, tieline.make_id(), w."entityType", w."entityId", w.integration, w."externalId",
            coalesce(w."allowDuplicateExternalId", false), w.metadata, w."lastSyncedAt", w."remoteUpdatedAt", w.link,
            w.given
        )::tieline."wantedMapping"
        order by w.n
    )
    from rows from (
        json_to_recordset(mappings) as (
            "entityType" text, "entityId" text, integration text, "externalId" text,
            "allowDuplicateExternalId" boolean, metadata jsonb, "lastSyncedAt" timestamptz,
            "remoteUpdatedAt" timestamptz, link text
        ),
        json_array_elements(mappings)
    ) with ordinality w (
        "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId", metadata, "lastSyncedAt",
        "remoteUpdatedAt", link, given, n
    )
$$;

create function link_problem(code text, message text, hint text, duplicate_of integer default null) returns jsonb
    language sql immutable as $$
    select jsonb_build_object('code', code, 'message', message, 'details', null, 'hint', hint)
        || case when duplicate_of is null then '{}' else jsonb_build_object('duplicateOf', duplicate_of) end
$$;

-- The rows that are fit to be written, and outcomes of those that are not: a value that its column cannot hold, a key
-- that is too long for an index, another company's row. `refused` are those that the request's reader has refused; in
-- `mappings` they are empty.
create function link_check(
    company text, mappings json, refused jsonb, out wanted "wantedMapping"[], out outcomes "linkOutcome"[]
)
    language plpgsql as $$
declare
    -- An entry of an index is at most 2,704 bytes, of which some are about the others.
    key_bytes_max constant integer := 2650;
    element record;
begin
    begin
        wanted := tieline.wanted_mappings(mappings, 0);
    exception when data_exception or program_limit_exceeded or feature_not_supported then
        -- Which row it was, is looked for row by row.
        for element in select e.value, e.n::integer - 1 as index
            from json_array_elements(mappings) with ordinality e (value, n)
        loop
            begin
                wanted := wanted || tieline.wanted_mappings(json_build_array(element.value), element.index);
            exception when data_exception or program_limit_exceeded or feature_not_supported then
                outcomes := outcomes || row(
                    element.index, 'invalid', null, tieline.link_problem(sqlstate, sqlerrm, null), null
                )::tieline."linkOutcome";
            end;
        end loop;
    end;
    select outcomes || array_agg(
        row(
            w.index, 'invalid', null,
            coalesce(
                r.problem,
                case when w.given ->> 'companyId' <> company
                    then tieline.link_problem('42501', 'companyId is another company''s.', null)
                    else tieline.link_problem(
                        '54000', format('The key is longer than %s bytes.', key_bytes_max), null
                    )
                end
            ),
            null
        )::tieline."linkOutcome"
    )
    into outcomes
    from unnest(wanted) w
    left join (
        select (e ->> 'index')::integer as index, e -> 'problem' as problem from jsonb_array_elements(refused) e
    ) r on r.index = w.index
    where r.index is not null
        or octet_length(company) + octet_length(w."entityType") + octet_length(w.integration)
            + greatest(octet_length(w."entityId"), octet_length(w."externalId")) > key_bytes_max
        or w.given ->> 'companyId' <> company;
    if outcomes is not null then
        select array_agg(w order by w.index) into wanted from unnest(wanted) w
        where not exists (select from unnest(outcomes) o where o.index = w.index);
    end if;
end
$$;

-- The indexes of rows that an earlier row of the batch may have to do with: it is about the same mapping or the same
-- external id. A mapping that stops to share its id may want one that its row does not name: then that is all rows.
create function later_rows(wanted "wantedMapping"[]) returns integer[] language sql stable as $$
with batch as materialized (
    select w.index, w."entityType", w."entityId", w.integration, w."externalId", w."allowDuplicateExternalId",
        w."externalId" is null and not w."allowDuplicateExternalId" and w.given -> 'externalId' is null
            and w.given -> 'allowDuplicateExternalId' is not null as "isUnsharing"
    from unnest(wanted) w
), keys as materialized (
    select b."entityType", b."entityId", b.integration, min(b.index) as first from batch b
    group by 1, 2, 3
    having count(*) > 1
), claims as materialized (
    select b."entityType", b.integration, b."externalId", min(b.index) as first from batch b
    where b."externalId" is not null and not b."allowDuplicateExternalId"
    group by 1, 2, 3
    having count(*) > 1
)
select array_agg(l.index)
from (
    select b.index from batch b join keys k using ("entityType", "entityId", integration) where b.index > k.first
    union
    select b.index from batch b join claims c using ("entityType", integration, "externalId")
    where b.index > c.first and not b."allowDuplicateExternalId"
    union
    select b.index from batch b where exists (select from batch u where u."isUnsharing")
) l
$$;

-- Land the rows that meet nothing, which are most of most batches, without a look before; the others have no outcome.
-- In the order of a key: batches that meet take turns instead of waiting for each other.
create function link_new(company text, wanted "wantedMapping"[]) returns "linkOutcome"[]
    language sql volatile as $$
with target as (
    select w.* from unnest(wanted) w
    order by w."entityType" collate "C", w."entityId" collate "C", w.integration collate "C"
), made as (
    insert into tieline."externalIntegrationMapping" (
        "companyId", id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId",
        metadata, "lastSyncedAt", "remoteUpdatedAt", link
    )
    select company, w.id, w."entityType", w."entityId", w.integration, w."externalId",
        w."allowDuplicateExternalId", w.metadata, w."lastSyncedAt", w."remoteUpdatedAt", w.link
    from target w
    on conflict do nothing
    returning id
)
select array_agg(row(w.index, 'created', w.id, null, null)::tieline."linkOutcome")
from made m join unnest(wanted) w on w.id = m.id
$$;

-- Look at what each row meets, in the order of the rows. Those of `landed` have landed before.
create function link_meet(company text, wanted "wantedMapping"[], landed "linkOutcome"[]) returns "metMapping"[]
    language sql stable as $$
with found as materialized (
    select w, m.id as "mappingId", m."externalId" as "heldExternalId", m."allowDuplicateExternalId" as "heldShared",
        s."isShared" as "wantsShared",
        (w.given -> 'metadata' is null or w.metadata is not distinct from m.metadata)
            and (w.given -> 'lastSyncedAt' is null or w."lastSyncedAt" is not distinct from m."lastSyncedAt")
            and (w.given -> 'remoteUpdatedAt' is null or w."remoteUpdatedAt" is not distinct from m."remoteUpdatedAt")
            and (w.given -> 'link' is null or w.link is not distinct from m.link) as "saysTheRest",
        h.id as "holderId", h."entityId" as "holderEntityId", h.link is not null as "holderHasLink"
    from unnest(wanted) w
    left join lateral (
        select * from tieline."externalIntegrationMapping" e
        where e."companyId" = company and e."entityType" = w."entityType"
            and e."entityId" between w."entityId" and w."entityId" and e.integration = w.integration
        order by e."entityId"
        limit 1
    ) m on true
    cross join lateral (
        select
            case when m.id is null or w.given -> 'externalId' is not null
                then w."externalId" else m."externalId" end as "wantedId",
            case when m.id is null or w.given -> 'allowDuplicateExternalId' is not null
                then w."allowDuplicateExternalId" else m."allowDuplicateExternalId" end as "isShared"
    ) s
    left join lateral (
        select e.id, e."entityId", e.link from tieline."externalIntegrationMapping" e
        where not s."isShared" and (m."externalId" is distinct from s."wantedId" or m."allowDuplicateExternalId")
            and e."companyId" = company and e.integration = w.integration
            and e."entityType" = w."entityType" and e."externalId" between s."wantedId" and s."wantedId"
            and not e."allowDuplicateExternalId"
        order by e."externalId"
        limit 1
    ) h on true
)
select array_agg(
    row(
        f.w, f."mappingId", f."heldExternalId", f."heldShared", f."wantsShared", f."saysTheRest", l.index,
        f."holderId", f."holderEntityId", f."holderHasLink", h.index
    )::tieline."metMapping"
    order by (f.w).index
)
from found f
left join unnest(landed) l on l."mappingId" = f."mappingId"
left join unnest(landed) h on h."mappingId" = f."holderId"
$$;

-- The rows in their order, with numbers in place of what they are about: of entities, and of external ids (0: none).
-- `externalId` is what a row gives; who gives none wants what its mapping has then.
create function link_numbers(met "metMapping"[])
    returns table (
        index integer, entity integer, "isThere" boolean, "givesId" boolean, "externalId" integer,
        "heldId" integer, "heldShared" boolean, "wantsShared" boolean, "saysTheRest" boolean, "landedBy" integer,
        holder integer, "holderHasLink" boolean, "holderLandedBy" integer
    )
    language sql stable as $$
with batch as materialized (
    select (m.wanted).index, (m.wanted)."entityType", (m.wanted)."entityId", (m.wanted).integration,
        (m.wanted)."externalId", (m.wanted).given -> 'externalId' is not null as "givesId", m."mappingId",
        m."heldExternalId", m."heldShared", m."wantsShared", m."saysTheRest", m."landedBy", m."holderEntityId",
        m."holderHasLink", m."holderLandedBy"
    from unnest(met) m
), entities as materialized (
    select e.*, (row_number() over ())::integer as n
    from (
        select b."entityType", b."entityId", b.integration from batch b
        union
        select b."entityType", b."holderEntityId", b.integration from batch b where b."holderEntityId" is not null
    ) e
), ids as materialized (
    select i.*, (row_number() over ())::integer as n
    from (
        select b."entityType", b.integration, b."externalId" from batch b where b."externalId" is not null
        union
        select b."entityType", b.integration, b."heldExternalId" from batch b where b."heldExternalId" is not null
    ) i
)
select b.index, e.n, b."mappingId" is not null, b."givesId", coalesce(i.n, 0), coalesce(held.n, 0), b."heldShared",
    b."wantsShared", b."saysTheRest", b."landedBy", coalesce(holder.n, 0), b."holderHasLink", b."holderLandedBy"
from batch b
join entities e on e."entityType" = b."entityType" and e."entityId" = b."entityId" and e.integration = b.integration
left join entities holder on holder."entityType" = b."entityType" and holder."entityId" = b."holderEntityId"
    and holder.integration = b.integration
left join ids i on i."entityType" = b."entityType" and i.integration = b.integration and i."externalId" = b."externalId"
left join ids held on held."entityType" = b."entityType" and held.integration = b.integration
    and held."externalId" = b."heldExternalId"
order by b.index
$$;

-- Decide what becomes of rows that have nothing to do with each other, as in most batches: as link_decide, but at once.
create function link_decide_apart(met "metMapping"[], on_conflict text) returns "linkDecision"[]
    language sql stable as $$
select array_agg(
    row(
        d.index, d.decision, null, d."isHeld" and d.decision <> 'held',
        case when d.decision in ('created', 'updated') then 0 end
    )::tieline."linkDecision"
)
from (
    select (m.wanted).index, m."holderId" is not null as "isHeld", case
        when m."holderId" is not null and on_conflict <> 'move' then 'held'
        when m."mappingId" is null then 'created'
        when m."saysTheRest" and m."wantsShared" = m."heldShared" and (
            (m.wanted)."externalId" is not distinct from m."heldExternalId"
            or (m.wanted).given -> 'externalId' is null
        ) then 'unchanged'
        else 'updated' end as decision
    from unnest(met) m
) d
$$;

-- Decide what becomes of each row, one after the other. Nothing is looked up but in arrays, by number: what entities
-- have (null: the entity was not met yet) and who has an id for itself (null: the id was not met yet, 0: nobody).
create function link_decide(met "metMapping"[], on_conflict text) returns "linkDecision"[]
    language plpgsql stable as $$
declare
    is_there boolean[] := array_fill(null::boolean, array[2 * cardinality(met)]);
    held integer[] := array_fill(null::integer, array[2 * cardinality(met)]);
    landed_by integer[] := held;
    holders integer[] := held;
    waves integer[] := held;
    decisions tieline."linkDecision"[] := array_fill(null::tieline."linkDecision", array[cardinality(met)]);
    n integer := 0;
    r record;
    wanted integer;
    holder integer;
    wave integer;
begin
    for r in select * from tieline.link_numbers(met) loop
        n := n + 1;
        if is_there[r.entity] is null then
            is_there[r.entity] := r."isThere";
            held[r.entity] := r."heldId";
            landed_by[r.entity] := r."landedBy";
            if r."heldId" <> 0 and not r."heldShared" and holders[r."heldId"] is null then
                holders[r."heldId"] := r.entity;
            end if;
        end if;
        if landed_by[r.entity] is not null then
            decisions[n] := row(r.index, 'repeated', landed_by[r.entity], false, null);
            continue;
        end if;

        wanted := case when r."givesId" or not is_there[r.entity] then r."externalId" else held[r.entity] end;
        holder := 0;
        wave := 0;
        if wanted <> 0 and not r."wantsShared" then
            if holders[wanted] is null then
                holders[wanted] := r.holder;
                if r.holder <> 0 and is_there[r.holder] is null then
                    is_there[r.holder] := true;
                    held[r.holder] := wanted;
                    landed_by[r.holder] := r."holderLandedBy";
                end if;
            end if;
            holder := case when holders[wanted] = r.entity then 0 else holders[wanted] end;
            wave := coalesce(waves[wanted], 0);
        end if;
        if holder <> 0 then
            if on_conflict <> 'move' or landed_by[holder] is not null then
                decisions[n] := row(r.index, 'held', landed_by[holder], false, null);
                continue;
            end if;
            -- Who loses the id and has no link either has nothing left, and goes.
            is_there[holder] := r."holderHasLink";
            held[holder] := 0;
        end if;

        landed_by[r.entity] := r.index;
        if not is_there[r.entity] then
            decisions[n] := row(r.index, 'created', null, holder <> 0, wave);
        elsif wanted = held[r.entity] and r."wantsShared" = r."heldShared" and r."saysTheRest" then
            decisions[n] := row(r.index, 'unchanged', null, false, null);
        else
            decisions[n] := row(r.index, 'updated', null, holder <> 0, wave);
            if held[r.entity] <> 0 and not r."heldShared" then
                holders[held[r.entity]] := 0;
                waves[held[r.entity]] := wave + 1;
            end if;
        end if;
        if wanted <> 0 and not r."wantsShared" then
            holders[wanted] := r.entity;
        end if;
    end loop;
    return decisions;
end
$$;
