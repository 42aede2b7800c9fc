select coalesce(json_agg(row_to_json(t)), '[]') from tieline.translate($1, $2, $3, $4, $5::json) t
