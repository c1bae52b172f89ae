"""The demo: a synthetic network sealed, attacked, forgotten, and reported."""
