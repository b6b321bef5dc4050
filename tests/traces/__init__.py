"""Events and traces."""
