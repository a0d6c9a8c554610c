"""What protocols ask for, as functions without sockets: from what a client sends to what may come back."""
