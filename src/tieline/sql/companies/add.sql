insert into tieline.company (id, name) values ($1, $2)
