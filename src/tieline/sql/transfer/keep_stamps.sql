-- Times and authors that a file gives are kept; what it does not give, the statements fill in.
select set_config('tieline.stamps', 'given', true)
