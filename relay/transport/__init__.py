"""gRPC over mutual TLS: identities, roles, deadlines, error mapping. What every gRPC edge stands on."""
