"""The court gateway's HTTP/JSON interface: one table of routes, which validates what comes in and makes the OpenAPI document."""
