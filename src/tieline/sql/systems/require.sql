-- Refuse a system that a strict company does not know.
select tieline.require_systems($1, $2)
