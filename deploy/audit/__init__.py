"""What the library is made of, held against what was decided about it."""
