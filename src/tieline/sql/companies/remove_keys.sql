-- The tokens of the keys go with them. From then on nobody writes for the company.
delete from tieline."apiKey" where "companyId" = $1
