"""The scenes of the story; each asserts what it shows."""
