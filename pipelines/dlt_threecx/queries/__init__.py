"""Questions to a history, for any destination."""
