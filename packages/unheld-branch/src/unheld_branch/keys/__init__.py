"""Keys of the matrix: parties (rows), columns, folios."""
