"""LuminaLib: a library system that has read its own books."""
