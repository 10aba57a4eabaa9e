"""CoAP contexts: sockets and aiocoap's layers on top of them."""
