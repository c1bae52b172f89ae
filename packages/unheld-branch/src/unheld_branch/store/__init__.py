"""The sealed store: blocks, their Parquet files, the journal, commits and checks."""
