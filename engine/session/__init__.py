"""What a session is: records, journal, logs, inbox, paths, settings and the fold. Imports nothing else of engine."""
