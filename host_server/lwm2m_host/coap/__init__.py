"""CoAP: sockets, tokens, requests and answers, blocks, and their times."""
