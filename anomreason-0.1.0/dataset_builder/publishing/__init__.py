"""Pushing a directory to the Hub, and checking what arrived."""
