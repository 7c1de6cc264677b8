"""corpusmith: an autonomous data engineer for language-model data.

One sentence in, a verified dataset out. The layers and who may import whom are in ARCHITECTURE.md.
"""

from importlib.metadata import version

__version__ = version("corpusmith")
