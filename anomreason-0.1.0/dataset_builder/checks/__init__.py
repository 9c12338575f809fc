"""What `anomreason validate` looks for: pictures that do not decode, texts that repeat, leakage between splits."""
