"""Messages of proto/, written by scripts/generate.py."""
