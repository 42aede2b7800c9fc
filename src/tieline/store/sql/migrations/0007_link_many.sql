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
    -- An entry of an index is at most 2,704 bytes.
    key_bytes_max constant integer := 2000;
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
        or octet_length(w."entityType") + octet_length(w.integration)
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

-- Take the external ids of mappings; those that have no link either have nothing left, and go. Locked rows stay where
-- they are. With all other ways off they are found by their places, whatever is guessed of the table.
create function link_empty(company text, places tid[]) returns void
    language sql volatile set enable_indexscan = off set enable_bitmapscan = off set enable_seqscan = off as $$
with emptied as (
    delete from tieline."externalIntegrationMapping" e
    where e."companyId" = company and e.ctid = any (places) and e.link is null
)
update tieline."externalIntegrationMapping" e
set "externalId" = null
where e."companyId" = company and e.ctid = any (places) and e.link is not null
$$;

-- Take the external ids that move from who has them. They are locked first, in the order of a key, and are what they
-- were when they were met, or the caller starts over.
create function link_take(company text, met "metMapping"[], decisions "linkDecision"[]) returns void
    language plpgsql as $$
declare
    losers tid[];
begin
    with lost as materialized (
        select m."holderId" as id, m."holderHasLink" as "hasLink", case
            when (m.wanted).given -> 'externalId' is null and m."mappingId" is not null then m."heldExternalId"
            else (m.wanted)."externalId" end as "externalId"
        from unnest(decisions) d join unnest(met) m on (m.wanted).index = d.index
        where d."isMove"
        order by (m.wanted)."entityType" collate "C", m."holderEntityId" collate "C",
            (m.wanted).integration collate "C"
    )
    select array_agg(e.ctid)
    into losers
    from lost l
    cross join lateral (
        select e.ctid from tieline."externalIntegrationMapping" e
        where e."companyId" = company and e.id between l.id and l.id and e."externalId" = l."externalId"
            and not e."allowDuplicateExternalId" and (e.link is not null) = l."hasLink"
        order by e.id
        limit 1
        for update
    ) e;
    if coalesce(cardinality(losers), 0) <> (select count(*) from unnest(decisions) d where d."isMove") then
        raise serialization_failure using message = 'An external id went elsewhere while the batch was under way.';
    end if;
    perform tieline.link_empty(company, losers);
end
$$;

-- Write what is created or updated. Rows that are there are locked first, in the order of a key, as what is not given
-- must not be lost to another writer. An insert that meets its row finds it by the key, whatever is guessed of the
-- table; should it meet another row than it was decided for, the caller starts over.
create function link_land(company text, met "metMapping"[], decisions "linkDecision"[]) returns void
    language plpgsql as $$
declare
    written integer;
begin
    with target as materialized (
        select t.*, e.id as "heldId", e."externalId" as "heldExternalId", e."allowDuplicateExternalId" as "heldShared",
            e.metadata as "heldMetadata", e."lastSyncedAt" as "heldSyncedAt", e."remoteUpdatedAt" as "heldRemoteAt",
            e.link as "heldLink"
        from (
            select (m.wanted).*, d.wave, case when d.decision = 'updated' then m."mappingId" end as "mappingId"
            from unnest(decisions) d join unnest(met) m on (m.wanted).index = d.index
            where d.wave is not null
            order by (m.wanted)."entityType" collate "C", (m.wanted)."entityId" collate "C",
                (m.wanted).integration collate "C"
        ) t
        left join lateral (
            select * from tieline."externalIntegrationMapping" e
            where t."mappingId" is not null and e."companyId" = company and e.id between t."mappingId" and t."mappingId"
            order by e.id
            limit 1
            for update
        ) e on true
    )
    insert into tieline."externalIntegrationMapping" as e (
        "companyId", id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId",
        metadata, "lastSyncedAt", "remoteUpdatedAt", link
    )
    select company, coalesce(t."mappingId", t.id), t."entityType", t."entityId", t.integration,
        case when t.given -> 'externalId' is null then t."heldExternalId" else t."externalId" end,
        case when t.given -> 'allowDuplicateExternalId' is null and t."heldId" is not null
            then t."heldShared" else t."allowDuplicateExternalId" end,
        case when t.given -> 'metadata' is null then t."heldMetadata" else t.metadata end,
        case when t.given -> 'lastSyncedAt' is null then t."heldSyncedAt" else t."lastSyncedAt" end,
        case when t.given -> 'remoteUpdatedAt' is null then t."heldRemoteAt" else t."remoteUpdatedAt" end,
        case when t.given -> 'link' is null then t."heldLink" else t.link end
    from target t
    where t."mappingId" is not distinct from t."heldId"
    order by t.wave, t."entityType" collate "C", t."entityId" collate "C", t.integration collate "C"
    on conflict ("companyId", "entityType", "entityId", integration) do update set
        "externalId" = excluded."externalId",
        "allowDuplicateExternalId" = excluded."allowDuplicateExternalId",
        metadata = excluded.metadata,
        "lastSyncedAt" = excluded."lastSyncedAt",
        "remoteUpdatedAt" = excluded."remoteUpdatedAt",
        link = excluded.link
    where e.id = excluded.id;
    get diagnostics written = row_count;
    if written <> (select count(*) from unnest(decisions) d where d.wave is not null) then
        raise serialization_failure using message = 'A mapping came or went while the batch was under way.';
    end if;
end
$$;

-- The decisions in the words of the answer.
create function link_tell(met "metMapping"[], decisions "linkDecision"[], on_conflict text) returns "linkOutcome"[]
    language sql stable as $$
with decided as materialized (
    select d.*, (m.wanted)."entityType", (m.wanted)."entityId", (m.wanted).integration, m."holderId",
        m."holderEntityId", case when d.decision = 'created' then (m.wanted).id else m."mappingId" end as "mappingId"
    from unnest(decisions) d join unnest(met) m on (m.wanted).index = d.index
), told as (
    -- What an earlier row made here was not there to be met; what one of those that landed before made was.
    select d.*, coalesce(o."mappingId", case when d.decision = 'repeated' then d."mappingId" else d."holderId" end)
            as "otherId",
        coalesce(o."entityId", d."holderEntityId") as "otherEntityId"
    from decided d
    left join decided o on o.index = d."duplicateOf"
)
select array_agg(
    case t.decision
        when 'repeated' then row(
            t.index, 'conflict', t."otherId",
            tieline.link_problem(
                '21000',
                format('Row %s says already what becomes of %s %s in %s.', t."duplicateOf", t."entityType",
                    t."entityId", t.integration),
                null, t."duplicateOf"
            ),
            null
        )::tieline."linkOutcome"
        when 'held' then row(
            t.index, 'conflict', t."otherId",
            case when on_conflict <> 'skip' then tieline.link_problem(
                '23505',
                format('The external id is held by %s %s in %s.', t."entityType", t."otherEntityId", t.integration),
                format('It is held by the row whose id is %s', t."otherId"), t."duplicateOf"
            ) end,
            null
        )::tieline."linkOutcome"
        else row(
            t.index, t.decision, t."mappingId", null,
            case when t."isMove" then jsonb_build_object(
                'entityType', t."entityType", 'entityId', t."holderEntityId", 'mappingId', t."holderId"
            ) end
        )::tieline."linkOutcome"
    end
)
from told t
$$;

-- All rows that are fit. Somebody who writes the same at the same time breaks a unique index here, or what was decided
-- is not so any more: the caller starts over.
-- Plans must be right without statistics, and stay so while the table grows from nothing. Nested loops, which would
-- compare each row with every other, are off; those to lateral look-ups remain, as nothing else can run them. An order
-- that one index alone gives, with sorting off, makes that index the look-up's, where a guess takes all for alike.
create function link_batch(company text, wanted "wantedMapping"[], on_conflict text) returns "linkOutcome"[]
    language plpgsql set enable_nestloop = off set enable_sort = off as $$
declare
    later integer[] := tieline.later_rows(wanted);
    rest tieline."wantedMapping"[] := wanted;
    landed tieline."linkOutcome"[];
    met tieline."metMapping"[];
    decisions tieline."linkDecision"[];
begin
    if later is not null then
        select array_agg(w) into rest from unnest(wanted) w
        where not exists (select from unnest(later) l where l = w.index);
    end if;
    landed := tieline.link_new(company, rest);
    if cardinality(landed) = cardinality(wanted) then
        return landed;
    end if;
    select array_agg(w) into rest from unnest(wanted) w
    where not exists (select from unnest(landed) l where l.index = w.index);
    met := tieline.link_meet(company, rest, landed);
    if later is null and not exists (select from unnest(met) w join unnest(met) m on m."mappingId" = w."holderId") then
        decisions := tieline.link_decide_apart(met, on_conflict);
    else
        decisions := tieline.link_decide(met, on_conflict);
    end if;
    if exists (select from unnest(decisions) d where d."isMove") then
        perform tieline.link_take(company, met, decisions);
    end if;
    if exists (select from unnest(decisions) d where d.wave is not null) then
        perform tieline.link_land(company, met, decisions);
    end if;
    return landed || tieline.link_tell(met, decisions, on_conflict);
end
$$;

create function link_many(company text, mappings json, refused jsonb, on_conflict text, atomic boolean)
    returns table (index integer, outcome text, "mappingId" text, problem jsonb, "movedFrom" jsonb)
    language plpgsql as $$
#variable_conflict use_column
declare
    attempts_max constant integer := 8;
    checked record;
    landed tieline."linkOutcome"[];
    outcomes tieline."linkOutcome"[];
begin
    checked := tieline.link_check(company, mappings, refused);
    for attempt in 1 .. attempts_max loop
        begin
            landed := '{}';
            if cardinality(checked.wanted) > 0 then
                landed := tieline.link_batch(company, checked.wanted, on_conflict);
            end if;
            exit;
        exception when unique_violation or serialization_failure or deadlock_detected then
            if attempt = attempts_max then
                raise serialization_failure using message = 'The batch met other writers at every attempt.';
            end if;
        end;
    end loop;
    outcomes := checked.outcomes || landed;
    if atomic and exists (
        select from unnest(outcomes) o
        where o.outcome = 'invalid' or (o.outcome = 'conflict' and on_conflict <> 'skip')
    ) then
        perform tieline.refuse(
            'TL130',
            case when exists (select from unnest(outcomes) o where o.outcome = 'conflict')
                then 'conflict' else 'invalid' end,
            (
                select jsonb_agg(to_jsonb(o) - 'movedFrom' order by o.index)::text
                from (
                    select * from unnest(outcomes) o
                    where o.outcome = 'invalid' or (o.outcome = 'conflict' and on_conflict <> 'skip')
                    order by o.index limit 100
                ) o
            )
        );
    end if;
    return query select o.* from unnest(outcomes) o order by o.index;
end
$$;
