"""Live traffic: clients of every protocol that a target offers, and the ledger of what became of them."""
