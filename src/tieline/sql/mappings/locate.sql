select coalesce(json_agg(row_to_json(l)), '[]') from tieline.locate($1, $2, $3, $4::json) l
