"""One module a journey of records through the branch."""
