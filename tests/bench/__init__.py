"""What a message costs: refworker beside Twisted and asyncio streams, in the same run."""
