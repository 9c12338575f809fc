"""Rows become a dataset: Parquet shards, the card, conversations for training, the plain names."""
