"""The devices of a simulated PBX, and how they change."""
