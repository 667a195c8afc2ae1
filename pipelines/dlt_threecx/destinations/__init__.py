"""Where a history is kept: a DuckDB file, files in a lake, or a database that dlt can reach."""
