"""What a session is: records, journal, public log, inbox, paths, settings and the fold. Imports nothing else of engine."""
