"""What a batch does: many grants and retrievals, each once, at a measured pace, resumed after any crash."""
