"""The proof of the suite: every faulty server is caught, and every case catches one."""
