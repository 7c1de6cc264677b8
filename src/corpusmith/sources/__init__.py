"""Sources: reads what a person points at into canonical rows. Broken input gives its good rows and a list of bad ones."""
