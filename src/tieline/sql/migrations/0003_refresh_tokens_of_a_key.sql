-- A login looks at all refresh tokens of its key, to forget the oldest.
create index "refreshToken_keyId_idx" on "refreshToken" ("companyId", "keyId");
