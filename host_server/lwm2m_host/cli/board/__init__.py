"""lwm2m-host board: from a new board to a device that a server manages"""
