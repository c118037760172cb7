"""Chat: one prompt to several models side by side. The conversation is named in the address (?talk=ID), so that clicks,
page switches, reloads and a second browser find it again."""

from engine.errors import TemperError
from engine.generation.conversations import Conversation
from pages.chat import asking, controls, view
from pages.parts import messages, session

home = session.home()
controls.fill(home)
talk: Conversation | None = None
with messages.edge():
    try:
        talk = asking.shown(home)
    except TemperError:
        asking.forget()
        raise

controls.header(home, talk)
models = controls.choose(home)
sampling = controls.decoding()
messages.kept("chat")
if talk is not None:
    view.turns(home, talk)
    if talk.ended:
        controls.after(home, talk, models, sampling)
    else:
        view.live(home, talk)
else:
    controls.suggestions(home, models, sampling)
controls.prompt(home, talk, models, sampling)
