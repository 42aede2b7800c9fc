-- With their tokens. From then on nobody writes for the company.
delete from tieline."apiKey" where "companyId" = $1
