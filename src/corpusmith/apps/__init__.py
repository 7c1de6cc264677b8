"""Apps: the command line and its composition root."""
