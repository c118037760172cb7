"""What stands around a question: prompt versions, examples, and what an answer has to keep."""
