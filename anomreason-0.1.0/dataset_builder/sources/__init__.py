"""Where rows come from: a release, a run, scenes; and what is wrong or odd about a source."""
