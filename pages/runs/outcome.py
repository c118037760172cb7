"""What a training came to beside its curves: the trust test of a reward model, how far reinforcement learning went, what was forgotten."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.parts import charts, words
from storage.records import Run

LONG = 10.0  # nats that a whole answer has moved, from which on the answers are worth a look


def draw(run: Run) -> None:
    """Draw what the summary of a run holds, where it holds any of these."""
    found = run.summary
    if "trust" in found:
        trust(found["trust"], run.id)
    if "kl_answer" in found:
        moved(found)
    if "forgotten" in found:
        forgotten(found)
    if "reward_kept" in found:
        sampled(found)


def share(score: Mapping[str, Any]) -> str:
    """A share with its interval."""
    return f"{score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%})"


def trust(test: Mapping[str, Any], run_id: int) -> None:
    """Draw whether a reward model may be believed."""
    with st.container(border=True):
        st.markdown("**Trust test** on pairs that it was not trained on")
        if test["beats_length"]:
            st.markdown(
                ":material/verified: It is right more often than the rule that the longer answer, or the shorter one, wins."
            )
        else:
            st.warning(
                "It does not beat the rule that the longer answer, or the shorter one, wins, so reinforcement learning takes it only when "
                "`trust_anyway` is set. Train it on more pairs, of like length.",
                icon=":material/gpp_maybe:",
            )
        with st.grid(3, min_column_width=200, gap="small"):
            st.metric(
                "Pairs told right",
                f"{test['accuracy']['value']:.1%}",
                border=True,
                help=f"{share(test['accuracy'])}, n = {test['accuracy']['n']}",
            )
            st.metric("The longer answer is right", f"{test['longer']['value']:.1%}", border=True, help=share(test["longer"]))
            st.metric(
                "Reward goes with length", f"{words.rounded(test['length'], 2):+.2f}", border=True,
                help="Spearman's rank correlation of reward and tokens over all answers: near 0 is well",
            )  # fmt: skip
        bins = [(b["confidence"], b["right"]) for b in test["calibration"]]
        charts.calibration(bins, key=f"run_trust_{run_id}", error=test["calibration_error"])


def moved(found: Mapping[str, Any]) -> None:
    """Draw the reward on held-out prompts and how far answers have moved from the start."""
    with st.grid(3, min_column_width=200, gap="small"):
        if "held_out_reward" in found:
            bounds = (
                f"{words.figure(found['held_out_reward_low'])} to {words.figure(found['held_out_reward_high'])}, "
                if "held_out_reward_low" in found
                else ""
            )
            st.metric(
                "Reward at the end", words.figure(found["held_out_reward"]), border=True,
                help=f"{bounds}greedy answers to {found['held_out_prompts']} held-out prompts when the training had ended; the figure above is "
                "from the last evaluation, on fewer prompts",
            )  # fmt: skip
        st.metric(
            "Moved from its start", f"{words.figure(found['kl_answer'], 1)} nats", border=True,
            help=f"KL divergence of a whole answer, standard error {found['kl_answer_error']:.2f}. Beyond {LONG:g} nats look at the "
            "samples: much reward far from the start is often a trick",
        )  # fmt: skip


def forgotten(found: Mapping[str, Any]) -> None:
    """Draw what continued pre-training has cost on the old text."""
    with st.grid(3, min_column_width=200, gap="small"):
        st.metric(
            "Loss on the old text", words.figure(found["old_loss_after"]), f"{words.rounded(found['forgotten']):+.3f}", delta_color="inverse", border=True,
            help=f"Before the training it was {found['old_loss_before']:.3f}. A rise is what was forgotten; more replay lowers it",
        )  # fmt: skip


def sampled(found: Mapping[str, Any]) -> None:
    """Draw what rejection sampling drew and kept."""
    with st.grid(3, min_column_width=200, gap="small"):
        st.metric("Answers drawn", f"{found['sampled']:,}", border=True, help=f"To {found['prompts']:,} prompts")
        st.metric("Prompts with an answer to learn from", f"{found['kept']:,}", border=True)
        st.metric(
            "Reward of all, and of those kept",
            f"{words.figure(found['reward'], 2)} → {words.figure(found['reward_kept'], 2)}",
            border=True,
        )
