"""One of everything that the pages draw with, and text as a hostile model would write it. Run by test_serving.py."""

import streamlit as st

FOREIGN = "http://example.invalid"
MARK = st.components.v2.component(
    "trial_mark",
    html="<p id='mark'>still</p>",
    css="#mark { color: red }",
    js="export default ({ parentElement }) => { parentElement.querySelector('#mark').textContent = 'the component ran' }",
)

st.title("Trial :material/home:")
st.markdown(f"**bold** $x^2$ `code` ![remote]({FOREIGN}/markdown.png)")
st.code("print('hello')", language="python")
st.echarts_chart(
    {"xAxis": {"type": "category", "data": ["a"]}, "yAxis": {}, "series": [{"type": "line", "data": [1]}]}, key="chart"
)
st.dataframe(
    {"number": [1, 2], "picture": [f"{FOREIGN}/cell.png"] * 2}, column_config={"picture": st.column_config.ImageColumn()}
)
MARK(key="mark")
file = st.file_uploader("A file")
if file is not None:
    st.text(f"{file.size} bytes came")
st.download_button("Take it", b"taken", "taken.txt")
asked = st.chat_input("Say something")
if asked:
    st.text(f"heard: {asked}")
