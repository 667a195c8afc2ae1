"""News of the phone systems, and the addresses that it is sent to."""
