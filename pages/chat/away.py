"""The models outside: which addresses may be asked, and putting one on the list."""

import streamlit as st

from engine.errors import TemperError
from engine.generation import outside
from pages.parts import inert, messages
from storage.home import Home

NAME, ADDRESS, KEY, MODELS = "away_name", "away_address", "away_key", "away_models"


def draw(home: Home) -> None:
    """Draw the popover."""
    with st.popover("Outside", icon=":material/public:", key="chat_away"):
        st.caption(
            "Models behind other addresses that speak OpenAI's chat completions, such as Ollama, llama.cpp, vLLM or a service. Nothing is "
            "sent to an address that is not on this list; what is on it gets the prompts that you ask its models."
        )
        messages.kept("away")
        for place in outside.places(home):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{inert.plain(place.name)}**  {inert.plain(place.address, 80)}", width="stretch")
                st.button("Forget", icon=":material/delete:", key=f"away_forget_{place.name}", type="tertiary",
                          on_click=forget, args=(home, place.name))  # fmt: skip
            st.caption(inert.plain(", ".join(place.models) or "No models are offered", 300))
        with st.form("away_form", border=False):
            st.text_input("Name", key=NAME, placeholder="ollama", help="Its models are called model@name")
            st.text_input("Address", key=ADDRESS, placeholder="http://localhost:11434/v1")
            st.text_input(
                "Key", key=KEY, type="password", autocomplete="off", placeholder="None",
                help="Kept in a file of the home that only you can read; never in the database, a log or a run",
            )  # fmt: skip
            st.text_input("Models", key=MODELS, placeholder="All that it lists", help="Names with commas between them")
            st.form_submit_button("Allow this address", on_click=allow, args=(home,))


def allow(home: Home) -> None:
    """Put what the form says on the list, and ask the address for its models where none are named."""
    held = st.session_state
    wanted = [model.strip() for model in str(held[MODELS]).split(",") if model.strip()]
    try:
        place = outside.allow(home, str(held[NAME]), str(held[ADDRESS]), str(held[KEY]), wanted)
        if not wanted:
            place = outside.offer(home, place, outside.listed(home, place))
    except TemperError as problem:
        messages.keep(problem, "away")
        return
    finally:
        held[KEY] = ""
    messages.done(f"{inert.plain(place.name)} may be asked; {len(place.models)} of its models are offered.")
    held[NAME] = held[ADDRESS] = held[MODELS] = ""


def forget(home: Home, name: str) -> None:
    """Take an address off the list."""
    try:
        outside.forget(home, name)
    except TemperError as problem:
        messages.keep(problem, "away")
