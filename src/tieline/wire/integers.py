"""The bounds of PostgreSQL's bigint, the type of ids and counts."""

BIGINT_MAX = 2**63 - 1
# A number with more digits is out of range in any case, and Python takes long to read a very long one.
DIGITS_MAX = 30
