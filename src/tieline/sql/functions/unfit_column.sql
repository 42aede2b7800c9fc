-- The first column of a mapping that would become blank, or a link that is no address; null if there is none. A text is
-- null if it does not change: a value that is there already does not stand in the way of other changes.
create or replace function unfit_column(
    entity_type text, entity_id text, integration text, external_id text, link text
)
    returns text language sql immutable parallel safe as $$
    select case
        when tieline.is_blank(entity_type) then 'entityType'
        when tieline.is_blank(entity_id) then 'entityId'
        when tieline.is_blank(integration) then 'integration'
        when tieline.is_blank(external_id) then 'externalId'
        when not tieline.is_link(link) then 'link'
    end
$$;
