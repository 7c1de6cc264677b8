"""Engine: the runner (the one door for every step) and the local engine."""
