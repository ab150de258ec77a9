"""Generated from protos/lightrouter/v1; see `make protos`."""
