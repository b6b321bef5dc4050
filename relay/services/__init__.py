"""What each role does: asynchronous, without sockets and SQL."""
