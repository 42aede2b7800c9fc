select "keyId" from tieline."refreshToken" where "companyId" = $1 and "tokenHash" = $2
