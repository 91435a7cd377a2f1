"""The only place that opens connections to URLs a client names (T18)."""
