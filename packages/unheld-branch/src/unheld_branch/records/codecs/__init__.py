"""One module a file format: each gives batches of text columns with the lines they came from."""
