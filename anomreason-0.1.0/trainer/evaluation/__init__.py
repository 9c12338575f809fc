"""Comparing predictors and generators: the benchmark's leaderboard and the audit's ranking.

`bench`, `bench_run` and `leaderboard` make `anomreason benchmark`; `audit_plan`, `audit_answers`, `audit_result` and `audit_page`
make `anomreason audit`. What predicts is handed in as a callable, because endpoints lie in a package that this one does not know.
"""
