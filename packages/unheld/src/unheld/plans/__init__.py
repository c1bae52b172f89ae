"""Erasure plans: made and signed at headquarters."""
