"""The tlog family, and the logs that roles serve."""
