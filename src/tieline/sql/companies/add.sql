insert into tieline.company (id, name, "isStrict") values ($1, $2, $3)
