"""A reading against the state before it: what differs, whether a guard refuses it, and the versions to write."""
