"""The public verification page: checks that anybody may make, without signing in."""
