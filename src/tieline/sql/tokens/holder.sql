select row_to_json(t) from (
    select "keyId", "familyId", scopes from tieline."refreshToken" where "companyId" = $1 and "tokenHash" = $2
) t
