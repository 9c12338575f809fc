"""Ranks image generators by what a reviewer finds wrong with their pictures: `anomreason audit`.

`plan` reads the YAML file, `review` gets a reviewer's answers (from files, or by asking a model about pictures), `result` puts
the numbers together, `page` shows them. The statistics are `metric_semap.intensity`'s.
"""
