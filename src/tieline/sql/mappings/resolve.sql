select coalesce(json_agg(row_to_json(r)), '[]') from tieline.resolve($1, $2, $3, $4::json) r
