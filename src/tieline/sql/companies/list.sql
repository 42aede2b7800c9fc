select id, name, "createdAt" from tieline.company order by id
