-- Only the owner of a table may analyze it, and a dry run is still inside the transaction that acts for a company.
select set_config('role', 'none', true)
