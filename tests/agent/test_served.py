"""The tiny model behind a real `transformers serve`: the agent's calls reach a server of another's making."""
