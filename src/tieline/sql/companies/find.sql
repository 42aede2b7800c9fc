select id, name, "createdAt" from tieline.company where id = $1
