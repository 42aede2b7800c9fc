select id from tieline.company where not "isCounted" order by id
