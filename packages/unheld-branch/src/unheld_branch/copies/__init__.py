"""Copies of a store on other machines: the line to them, their service, and how one becomes the store."""
