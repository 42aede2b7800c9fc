"""Statements on PostgreSQL: one round trip each, many in flight, over libpq's pipeline mode."""
