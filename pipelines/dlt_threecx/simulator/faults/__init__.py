"""What can go wrong at a simulated PBX."""
