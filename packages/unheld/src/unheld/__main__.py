"""`python -m unheld`."""

from unheld.cli import main

main()
