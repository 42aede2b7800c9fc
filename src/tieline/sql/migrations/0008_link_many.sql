-- link_many, continued: what is decided (0007) is written, and told.

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
    attempts_max constant integer := 5;
    checked record;
    landed tieline."linkOutcome"[];
    outcomes tieline."linkOutcome"[];
begin
    checked := tieline.link_check(company, mappings, refused);
    for attempt in 1 .. attempts_max loop
        -- Batches that move ids, and those that have met others, take turns in their company: each locks rows of one
        -- entity to give their ids to another, and two that do would wait for each other, again and again.
        if on_conflict = 'move' or attempt = 2 then
            perform pg_advisory_xact_lock(hashtextextended('tieline.link_many', hashtext(company)));
        end if;
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
