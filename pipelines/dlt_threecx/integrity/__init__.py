"""Hashes over devices and ledger rows, and the replay that verifies a history."""
