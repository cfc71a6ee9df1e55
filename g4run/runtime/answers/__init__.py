"""One answer, from the request to its last event."""
