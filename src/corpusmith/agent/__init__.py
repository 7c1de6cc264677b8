"""Agent: understanding requests, the loop, planners, the catalogue of methods and the guard."""
