-- Lock the mappings in the order that is given, and delete them: each only if it still has the external id by which it
-- was found, or is still linked if it was found by its entity. Returns the deleted rows by their ids, which are weighed
-- before anything is deleted.
with target as materialized (
    select m.place, m.size
    from json_to_recordset($2::json) w (id text, "externalId" text, "mustBeLinked" boolean)
    cross join lateral (
        select e.ctid as place,
            600 + coalesce(octet_length(e.metadata::text), 0) + coalesce(octet_length(e.link), 0) as size
        from tieline."externalIntegrationMapping" e
        where e."companyId" = $1 and e.id between w.id and w.id
            and (w."externalId" is null or e."externalId" = w."externalId")
            and (not w."mustBeLinked" or e."externalId" is not null or e.link is not null)
        order by e.id
        limit 1
        for update
    ) m
), weighed as materialized (
    select tieline.fits(sum(t.size), 'answer_bytes_max', 'bytes') as fits from target t
)
delete from tieline."externalIntegrationMapping" d
where d."companyId" = $1 and d.ctid = any (array(select t.place from target t where (select w.fits from weighed w)))
returning d.id, (
    select row_to_json(shown)::text from (
        select d.id, d."entityType", d."entityId", d.integration, d."externalId", d."allowDuplicateExternalId",
            d.metadata, d."lastSyncedAt", d."remoteUpdatedAt", d."createdAt", d."updatedAt", d."createdBy",
            d."companyId", d."updatedBy", d.link
    ) shown
)
