"""Reads PBXs into snapshots, each complete and proven."""
