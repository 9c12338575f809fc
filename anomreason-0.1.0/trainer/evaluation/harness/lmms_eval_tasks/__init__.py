"""The folder that lmms-eval's `--include_path` takes; the functions that its YAML files name are in `utils`."""
