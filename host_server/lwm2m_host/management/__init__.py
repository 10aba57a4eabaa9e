"""The device management interface: one outlet to each device, and its payloads."""
