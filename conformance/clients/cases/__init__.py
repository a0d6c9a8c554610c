"""Cases about clients, one module for each part of the protocol."""
