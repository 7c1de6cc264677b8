"""Understanding by rules: a sentence becomes a brief, without any model.

`scan` brings the sentence into a normal form and remembers which characters a rule has used; one file per topic holds
that topic's patterns; `assembly` runs them in order and adds the house defaults; what no rule has used is shown as not
understood. `explain` puts a brief into plain lines.
"""

from corpusmith.agent.understanding.assembly import understand

__all__ = ["understand"]
