delete from tieline.company where id = $1 returning id
