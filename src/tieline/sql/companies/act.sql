-- To the end of the transaction, row-level security binds it to one company, as it binds a request.
select set_config('role', 'tieline_server', true), set_config('tieline.company', $1, true),
    set_config('tieline.actor', $2, true), set_config('tieline.requestId', $3, true)
