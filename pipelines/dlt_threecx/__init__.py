"""Everything after reading: snapshots, comparison, history, views, and the commands that ask them."""
