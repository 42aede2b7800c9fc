select id from tieline.company where id = $1
