"""What else one could do with the same models: the policies that LightRouter is compared with."""
