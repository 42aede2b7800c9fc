-- As act, with the rights of the owner: a request may not delete a company.
select set_config('tieline.company', $1, true), set_config('tieline.actor', $2, true),
    set_config('tieline.requestId', $3, true)
