"""Loads versions and ledger rows into the destination, and finishes what an interrupted run left."""
