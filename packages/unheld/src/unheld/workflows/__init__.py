"""One module a journey at headquarters."""
