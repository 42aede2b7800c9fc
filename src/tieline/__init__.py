"""Tieline: which record of yours is which record in every other system."""

from importlib.metadata import version

__version__ = version("tieline")
