"""The log viewer: rows of a log of any size, searching it, and the widget that follows it or stands still."""
