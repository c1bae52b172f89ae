"""Holds the registry and call records of a phone network so that they can be forgotten, with proof."""
