select id, name, "createdAt", "isStrict" from tieline.company order by id
