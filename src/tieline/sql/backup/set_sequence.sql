select setval(format('tieline.%I', $1::text)::regclass, $2, $3)
