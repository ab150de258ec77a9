"""The selector service: ranks what the candidates wrote in the boot stage."""
