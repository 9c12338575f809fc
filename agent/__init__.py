"""AnomAgent: agents that annotate pictures, and the people who verify what they wrote."""
