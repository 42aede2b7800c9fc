insert into tieline.migration (name, sha256) values ($1, $2)
