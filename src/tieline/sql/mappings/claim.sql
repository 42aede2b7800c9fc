select row_to_json(c) from tieline.claim($1, $2, $3, $4, $5) c
