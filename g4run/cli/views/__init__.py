"""Values rendered as text and as JSON."""
