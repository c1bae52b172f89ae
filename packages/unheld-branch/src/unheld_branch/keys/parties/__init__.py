"""The party tree: who has a row, and with it a key. Tags and party keys never leave this room in clear."""
