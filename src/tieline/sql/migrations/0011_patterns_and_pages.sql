-- LIKE is not leakproof, so under row-level security it cannot reach an index. The comparisons `~>=~` and `~<~` can, in
-- databases of every collation: the statements of the dialect put them beside a pattern that begins or ends with
-- literal text.

-- For patterns that end with literal text. `reverse()` in an index is not leakproof, a stored column is. No answer, no
-- history and no export shows it.
alter table "externalIntegrationMapping"
    add column "externalIdReversed" text generated always as (reverse("externalId")) stored;
create index "externalIntegrationMapping_prefix_idx" on "externalIntegrationMapping"
    ("companyId", integration, "externalId" text_pattern_ops, "entityType");
create index "externalIntegrationMapping_suffix_idx" on "externalIntegrationMapping"
    ("companyId", integration, "externalIdReversed" text_pattern_ops, "entityType");

-- For pages by time, newest first. System and type stand in it so that rows of others are passed over inside the index.
create index "externalIntegrationMapping_createdAt_idx" on "externalIntegrationMapping"
    ("companyId", "createdAt", id, integration, "entityType");
