"""Pages about a session for people to read: the journal, its pictures, and what it is made from."""
