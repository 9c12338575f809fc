"""The Gradio Space; the folder is also a complete Space repository."""
