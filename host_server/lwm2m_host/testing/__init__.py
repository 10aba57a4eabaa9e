"""For tests: real devices as processes of the unix port, and a pytest plug-in."""
