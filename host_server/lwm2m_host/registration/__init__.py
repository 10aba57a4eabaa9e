"""The registration interface: Register, Update, De-register (LwM2M 1.1 core §6.2)."""
