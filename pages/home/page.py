"""Home: where things stand, and the one button that walks the road."""

from engine.errors import TemperError
from engine.samples import road
from pages.home import view
from pages.parts import messages, session

home = session.home()


def walk() -> None:
    """Take the road's next step."""
    try:
        run = road.walk(home, session.token("road"))
    except TemperError as problem:
        messages.keep(problem, "road")
        return
    messages.done(f"Run {run.id} is queued.", ":material/route:")


view.title()
view.road(home, walk)
view.work(home)
view.machine(home)
