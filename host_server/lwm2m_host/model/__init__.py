"""LwM2M's data model: paths, values, trees of them, and object definitions (shipped in `oma/`)."""
