"""Who proposes the next change."""
