select id, name, "createdAt", "isStrict" from tieline.company where id = $1
