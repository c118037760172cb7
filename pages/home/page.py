"""Home: where things stand."""

import streamlit as st

st.title("Home")
