"""The rubric: a short dialogue about a wish, and the advice that follows from it. "Do not train" is one of the answers.

questions.py asks, facts.py names what was answered, rules.py and options.py hold what is known, ranking.py weighs it.
None of them looks at a home; what trainings have cost there is told by costs.py.
"""

from engine.rubric.questions import QUESTIONS, aim, asked, path
from engine.rubric.ranking import Advised, advise

__all__ = ["QUESTIONS", "Advised", "advise", "aim", "asked", "path"]
