"""Small marks with an icon, a word and a colour: the colour is never the only sign."""

from typing import Literal, NamedTuple

import streamlit as st

Colour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "primary"]


class Badge(NamedTuple):
    """A word with its icon and colour."""

    word: str
    icon: str
    colour: Colour

    @property
    def markdown(self) -> str:
        """The badge inside a line of Markdown of our own."""
        return f":{self.colour}-badge[{self.icon} {self.word}]"

    def draw(self, help: str | None = None) -> None:
        st.badge(self.word, icon=self.icon, color=self.colour, help=help)


STATUS = {
    "queued": Badge("Queued", ":material/schedule:", "gray"),
    "running": Badge("Running", ":material/play_circle:", "blue"),
    "stalled": Badge("Stalled", ":material/hourglass_top:", "orange"),
    "stopping": Badge("Stopping", ":material/stop_circle:", "orange"),
    "lost": Badge("Lost", ":material/signal_disconnected:", "orange"),
    "succeeded": Badge("Succeeded", ":material/check_circle:", "green"),
    "failed": Badge("Failed", ":material/error:", "red"),
    "stopped": Badge("Stopped", ":material/stop_circle:", "gray"),
    "interrupted": Badge("Interrupted", ":material/pause_circle:", "orange"),
}
SHAPES = {
    "text": Badge("Text", ":material/article:", "gray"),
    "prompt_completion": Badge("Prompt and completion", ":material/short_text:", "blue"),
    "messages": Badge("Messages", ":material/forum:", "blue"),
    "preference": Badge("Preference", ":material/thumbs_up_down:", "violet"),
    "unpaired": Badge("Unpaired", ":material/thumb_up:", "violet"),
    "prompt": Badge("Prompts", ":material/edit_note:", "orange"),
}
KINDS = {
    "model": Badge("Model", ":material/deployed_code:", "blue"),
    "adapter": Badge("Adapter", ":material/extension:", "violet"),
}


def status(status: str, *, stalled: bool = False, stop_requested: bool = False) -> Badge:
    """The badge of a run's status; a stop that was asked for and a stall show while the run still lives."""
    if status == "running" and stop_requested:
        return STATUS["stopping"]
    if status == "running" and stalled:
        return STATUS["stalled"]
    return STATUS[status]
