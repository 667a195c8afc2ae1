"""Puts the old part of a history away into a file of its own."""
