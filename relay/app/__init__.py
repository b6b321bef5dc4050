"""The one place that knows every part: one function per role opens everything, runs everything, closes everything."""
