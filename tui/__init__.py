"""The console: a Textual client of a session."""
