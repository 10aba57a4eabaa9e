"""The information reporting interface: Observe, Notify, Send (LwM2M 1.1 core §6.4)."""
