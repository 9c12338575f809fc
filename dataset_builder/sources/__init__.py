"""Where rows come from: a release, a run, scenes; and the problems of a source."""
