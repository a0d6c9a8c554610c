"""What a run leaves behind: live progress, a table, JSON, JUnit, HTML."""
