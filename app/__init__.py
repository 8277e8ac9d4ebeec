"""LuminaLib: a library system that has read its own books."""

__version__ = "0.1.0"
