"""The offline researcher: looks for better constants of train.py with no model and no network."""
