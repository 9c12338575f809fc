"""Several predictors over one split, in one leaderboard."""
