"""From a finished dataset to a judged model: the phases select, customize and productionize of the loop.

The data loop has understood the request and prepared the data, the first two of the five phases. Here the agent
chooses how the model is made and on which base, trains candidates until one beats its base or the trials are used up,
judges the best on rows that nothing was chosen by, and registers, promotes and publishes it. Code decides by measured
figures. What a tool refuses ends a phase with a sentence, never the run: the dataset is there and stays.
"""

from corpusmith.agent.modelling.assess import assess
from corpusmith.agent.modelling.customize import customize
from corpusmith.agent.modelling.handover import after_phase, wants_model
from corpusmith.agent.modelling.productionize import productionize
from corpusmith.agent.modelling.select import select

__all__ = ["after_phase", "assess", "customize", "productionize", "select", "wants_model"]
