"""gRPC: servers and clients. Protobuf types stop here."""
