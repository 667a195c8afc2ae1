"""The views over the two tables, in SQL, and what their columns mean."""
