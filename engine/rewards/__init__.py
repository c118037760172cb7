"""What an answer is worth, as a number: for reinforcement learning and for choosing the best of several answers."""
