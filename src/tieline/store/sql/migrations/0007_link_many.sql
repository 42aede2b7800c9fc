-- link_many: a batch of mappings in one call, with the rules of an import: rows are taken as if one after the other, a
-- mapping is found by its entity and integration, what a row leaves out stays as it is.

-- A row of the batch. `id` is the mapping's if it is a new one; `given` is the row as it came: what it leaves out
-- matters only if there is a mapping already.
create type "wantedMapping" as (
    index integer, id text, "entityType" text, "entityId" text, integration text, "externalId" text,
    "allowDuplicateExternalId" boolean, metadata jsonb, "lastSyncedAt" timestamptz, "remoteUpdatedAt" timestamptz,
    link text, given json
);
-- A row that met something: its own mapping, and whether it says what is there already; another entity's mapping that
-- holds its external id. A duplicate is of an earlier row of the batch, which landed.
create type "metMapping" as (
    wanted "wantedMapping", "mappingId" text, "heldExternalId" text, "isSame" boolean, "duplicateOf" integer,
    "holderId" text, "holderEntityId" text, "holderDuplicateOf" integer
);
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

-- Land rows of which no two are about one mapping or one external id. Rows that want what is held by another row of the
-- `whole` batch, and those that hold it, are left for later: they have no outcome. Those of `landed_ids` were landed by
-- earlier rows. Somebody who writes the same at the same time breaks a unique index here, or is not there any more: the
-- caller starts over.
-- Plans must be right without statistics, and stay so while the table grows from nothing. Nested loops, which would
-- compare each row with every other, are off; those to lateral look-ups remain, as nothing else can run them. An order
-- that one index alone gives, with sorting off, makes that index the look-up's, where a guess takes all for alike.
create function link_rows(
    company text, wanted "wantedMapping"[], whole "wantedMapping"[], on_conflict text, landed_ids text[],
    landed_indexes integer[]
)
    returns "linkOutcome"[] language plpgsql set enable_nestloop = off set enable_sort = off as $$
declare
    outcomes tieline."linkOutcome"[];
    more tieline."linkOutcome"[];
    met tieline."metMapping"[];
    lost text[];
    written integer;
begin
    -- New rows, which are most of most batches, need no look before. In the order of a key: batches that meet take
    -- turns instead of waiting for each other.
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
    into outcomes
    from made m join unnest(wanted) w on w.id = m.id;
    if cardinality(outcomes) = cardinality(wanted) then
        return outcomes;
    end if;

    with waiting as (
        select w.*, w::tieline."wantedMapping" as whole
        from unnest(wanted) w
        where not exists (select from unnest(outcomes) o where o.index = w.index)
    ), beside as (
        select w.*, m.id as "mappingId", m."externalId" as "heldExternalId", s.*,
            m.id is not null and (
                s."wantedId", s."isShared", w.given -> 'metadata' is null or w.metadata is not distinct from m.metadata,
                w.given -> 'lastSyncedAt' is null or w."lastSyncedAt" is not distinct from m."lastSyncedAt",
                w.given -> 'remoteUpdatedAt' is null or w."remoteUpdatedAt" is not distinct from m."remoteUpdatedAt",
                w.given -> 'link' is null or w.link is not distinct from m.link
            ) is not distinct from (m."externalId", m."allowDuplicateExternalId", true, true, true, true) as "isSame"
        from waiting w
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
    )
    select array_agg(
        row(
            b.whole, b."mappingId", b."heldExternalId", b."isSame", landed_indexes[array_position(landed_ids, b."mappingId")],
            h.id, h."entityId", landed_indexes[array_position(landed_ids, h.id)]
        )::tieline."metMapping"
    )
    into met
    from beside b
    left join lateral (
        select e.id, e."entityId" from tieline."externalIntegrationMapping" e
        where not b."isShared" and e."companyId" = company and e.integration = b.integration
            and e."entityType" = b."entityType" and e."externalId" between b."wantedId" and b."wantedId"
            and not e."allowDuplicateExternalId" and e."entityId" <> b."entityId"
        order by e."externalId"
        limit 1
    ) h on true;

    -- What they met is gone already: the batch was too late for one and too early for the other.
    if exists (select from unnest(met) m where m."mappingId" is null and m."holderId" is null) then
        raise serialization_failure using message = 'A mapping came and went while the batch was under way.';
    end if;

    if whole is not null then
        select array_agg(m) into met from unnest(met) m
        where m."holderId" is null or not exists (
            select from unnest(whole) w
            where w."entityType" = (m.wanted)."entityType" and w."entityId" = m."holderEntityId"
                and w.integration = (m.wanted).integration
        );
        select array_agg(m) into met from unnest(met) m
        where m."heldExternalId" is not distinct from (m.wanted)."externalId" or not exists (
            select from unnest(whole) w
            where w."entityType" = (m.wanted)."entityType" and w.integration = (m.wanted).integration
                and w."externalId" = m."heldExternalId"
        );
    end if;

    select outcomes || array_agg(
        case
            when m."duplicateOf" is not null then row(
                (m.wanted).index, 'conflict', m."mappingId",
                tieline.link_problem(
                    '21000',
                    format('Row %s says already what becomes of %s %s in %s.', m."duplicateOf",
                        (m.wanted)."entityType", (m.wanted)."entityId", (m.wanted).integration),
                    null, m."duplicateOf"
                ),
                null
            )::tieline."linkOutcome"
            when m."holderId" is not null then row(
                (m.wanted).index, 'conflict', m."holderId",
                case when on_conflict <> 'skip' then tieline.link_problem(
                    '23505',
                    format('The external id is held by %s %s in %s.', (m.wanted)."entityType", m."holderEntityId",
                        (m.wanted).integration),
                    format('It is held by the row whose id is %s', m."holderId"), m."holderDuplicateOf"
                ) end,
                null
            )::tieline."linkOutcome"
            else row((m.wanted).index, 'unchanged', m."mappingId", null, null)::tieline."linkOutcome"
        end
    )
    into outcomes
    from unnest(met) m
    where m."duplicateOf" is not null
        or (m."holderId" is not null and (on_conflict <> 'move' or m."holderDuplicateOf" is not null))
        or (m."isSame" and m."holderId" is null);

    -- From here on only rows that change something.
    select array_agg(m) into met from unnest(met) m
    where not exists (select from unnest(outcomes) o where o.index = (m.wanted).index);
    if met is null then
        return outcomes;
    end if;

    -- Who loses the external id and has no link either has nothing left, and goes.
    lost := array(select m."holderId" from unnest(met) m where m."holderId" is not null);
    if cardinality(lost) > 0 then
        with emptied as (
            delete from tieline."externalIntegrationMapping" e
            where e."companyId" = company and e.id = any (lost) and e.link is null
        )
        update tieline."externalIntegrationMapping" e
        set "externalId" = null
        where e."companyId" = company and e.id = any (lost) and e.link is not null;
    end if;

    -- An insert that meets its row finds it by the key, whatever is guessed of the table; the row is locked first, as
    -- what is not given must not be lost to another writer.
    with target as materialized (
        select (m.wanted).*, e.id as "heldId", e."externalId" as "heldExternalId",
            e."allowDuplicateExternalId" as "heldShared", e.metadata as "heldMetadata",
            e."lastSyncedAt" as "heldSyncedAt", e."remoteUpdatedAt" as "heldRemoteAt", e.link as "heldLink"
        from (
            select * from unnest(met) m where m."mappingId" is not null
            order by (m.wanted)."entityType" collate "C", (m.wanted)."entityId" collate "C",
                (m.wanted).integration collate "C"
        ) m
        cross join lateral (
            select * from tieline."externalIntegrationMapping" e
            where e."companyId" = company and e."entityType" = (m.wanted)."entityType"
                and e."entityId" between (m.wanted)."entityId" and (m.wanted)."entityId"
                and e.integration = (m.wanted).integration
            order by e."entityId"
            limit 1
            for update
        ) e
    )
    insert into tieline."externalIntegrationMapping" (
        "companyId", id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId",
        metadata, "lastSyncedAt", "remoteUpdatedAt", link
    )
    select company, t."heldId", t."entityType", t."entityId", t.integration,
        case when t.given -> 'externalId' is null then t."heldExternalId" else t."externalId" end,
        case when t.given -> 'allowDuplicateExternalId' is null
            then t."heldShared" else t."allowDuplicateExternalId" end,
        case when t.given -> 'metadata' is null then t."heldMetadata" else t.metadata end,
        case when t.given -> 'lastSyncedAt' is null then t."heldSyncedAt" else t."lastSyncedAt" end,
        case when t.given -> 'remoteUpdatedAt' is null then t."heldRemoteAt" else t."remoteUpdatedAt" end,
        case when t.given -> 'link' is null then t."heldLink" else t.link end
    from target t
    on conflict ("companyId", "entityType", "entityId", integration) do update set
        "externalId" = excluded."externalId",
        "allowDuplicateExternalId" = excluded."allowDuplicateExternalId",
        metadata = excluded.metadata,
        "lastSyncedAt" = excluded."lastSyncedAt",
        "remoteUpdatedAt" = excluded."remoteUpdatedAt",
        link = excluded.link;
    get diagnostics written = row_count;
    if written <> (select count(*) from unnest(met) m where m."mappingId" is not null) then
        raise serialization_failure using message = 'A mapping was deleted by somebody else in the meantime.';
    end if;

    -- New ones, which a holder has made room for.
    if exists (select from unnest(met) m where m."mappingId" is null) then
        insert into tieline."externalIntegrationMapping" (
            "companyId", id, "entityType", "entityId", integration, "externalId", "allowDuplicateExternalId",
            metadata, "lastSyncedAt", "remoteUpdatedAt", link
        )
        select company, w.id, w."entityType", w."entityId", w.integration, w."externalId",
            w."allowDuplicateExternalId", w.metadata, w."lastSyncedAt", w."remoteUpdatedAt", w.link
        from (select (m.wanted).* from unnest(met) m where m."mappingId" is null) w
        order by w."entityType" collate "C", w."entityId" collate "C", w.integration collate "C";
    end if;

    select array_agg(
        row(
            (m.wanted).index, case when m."mappingId" is null then 'created' else 'updated' end,
            coalesce(m."mappingId", (m.wanted).id), null,
            case when m."holderId" is not null then jsonb_build_object(
                'entityType', (m.wanted)."entityType", 'entityId', m."holderEntityId", 'mappingId', m."holderId"
            ) end
        )::tieline."linkOutcome"
    )
    into more
    from unnest(met) m;
    return outcomes || more;
end
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
                case when w.given ->> 'companyId' is distinct from company and w.given -> 'companyId' is not null
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
        or (w.given -> 'companyId' is not null and w.given ->> 'companyId' is distinct from company);
    if outcomes is not null then
        select array_agg(w order by w.index) into wanted from unnest(wanted) w
        where not exists (select from unnest(outcomes) o where o.index = w.index);
    end if;
end
$$;

-- The indexes of rows that are about the same mapping or the same external id as another one.
create function repeated_rows(wanted "wantedMapping"[]) returns integer[]
    language sql stable set enable_nestloop = off as $$
with batch as materialized (
    select w.index, w."entityType", w."entityId", w.integration, w."externalId" from unnest(wanted) w
), keys as materialized (
    select b."entityType", b."entityId", b.integration from batch b group by 1, 2, 3 having count(*) > 1
), claims as materialized (
    select b."entityType", b.integration, b."externalId" from batch b
    where b."externalId" is not null
    group by 1, 2, 3
    having count(*) > 1
)
select array_agg(r.index)
from (
    select b.index from batch b join keys k using ("entityType", "entityId", integration)
    union
    select b.index from batch b join claims c using ("entityType", integration, "externalId")
) r
$$;

-- All rows that are fit: at once what can be, and one after the other what has to do with another row of the batch.
create function link_batch(company text, wanted "wantedMapping"[], on_conflict text) returns "linkOutcome"[]
    language plpgsql as $$
declare
    repeated integer[] := coalesce(tieline.repeated_rows(wanted), '{}');
    independent tieline."wantedMapping"[] := wanted;
    outcomes tieline."linkOutcome"[];
    landed_ids text[] := '{}';
    landed_indexes integer[] := '{}';
    waiting record;
    made tieline."linkOutcome"[];
begin
    if cardinality(repeated) > 0 then
        select array_agg(w) into independent from unnest(wanted) w where w.index <> all (repeated);
    end if;
    if independent is not null then
        outcomes := tieline.link_rows(company, independent, wanted, on_conflict, '{}', '{}');
    end if;
    if cardinality(outcomes) = cardinality(wanted) then
        return outcomes;
    end if;
    for waiting in
        select w as row
        from unnest(wanted) w
        where w.index not in (select o.index from unnest(outcomes) o)
        order by w.index
    loop
        made := tieline.link_rows(company, array[waiting.row], null, on_conflict, landed_ids, landed_indexes);
        outcomes := outcomes || made;
        if made[1].outcome <> 'conflict' then
            landed_ids := landed_ids || made[1]."mappingId";
            landed_indexes := landed_indexes || made[1].index;
        end if;
    end loop;
    return outcomes;
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
