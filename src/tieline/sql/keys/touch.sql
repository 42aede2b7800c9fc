update tieline."apiKey" set "lastUsedAt" = now()
where "companyId" = $1 and id = any(array(select json_array_elements_text($2::json)))
