-- Keep the times and authors that a file gives. The statements fill in those that it leaves out.
select set_config('tieline.stamps', 'given', true)
