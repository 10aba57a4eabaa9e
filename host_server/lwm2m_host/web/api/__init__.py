"""The HTTP API: routes, arguments, and JSON of the control plane."""
