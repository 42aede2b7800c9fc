select tieline.miscounted($1)
