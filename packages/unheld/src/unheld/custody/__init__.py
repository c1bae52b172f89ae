"""Headquarters' dealings with custodians: where they are, the ceremony that founds a set, and those of one machine."""
