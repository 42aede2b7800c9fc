-- The places, from 1, of rows with a value that PostgreSQL cannot store, with its column and the SQLSTATE.
select place, "column", state from tieline.unfit_rows($1::json)
