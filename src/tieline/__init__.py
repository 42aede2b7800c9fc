"""Tieline: which record of yours is which record in every other system."""
