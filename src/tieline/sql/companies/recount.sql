select tieline.recount($1)
