"""Tools: the typed verbs a planner can call; thin: parameters, checks, a call into ops or sources."""
