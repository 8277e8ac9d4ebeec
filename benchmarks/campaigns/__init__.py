"""Attacks on the whole library, bounded, seeded and replayable: `python3 run.py campaign NAME`."""
