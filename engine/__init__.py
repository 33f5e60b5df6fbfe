"""Everything headless: what a session is, the loop, and what touches the world."""
