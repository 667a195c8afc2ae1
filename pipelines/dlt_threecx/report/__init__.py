"""The report: one HTML page about a fleet, or about one PBX."""
