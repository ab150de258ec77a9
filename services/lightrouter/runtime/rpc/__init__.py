"""gRPC: the server, its limits and health; channels and the calls made through them."""
