"""A copy of the history for BI tools: one DuckDB file, and Parquet by month, replaced as a whole when there is news."""
