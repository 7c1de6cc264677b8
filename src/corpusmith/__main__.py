"""`python -m corpusmith`."""

from corpusmith.apps.cli import main

main()
