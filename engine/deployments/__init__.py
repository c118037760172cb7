"""What stands around a model when it answers: prompt, passages, guards; frozen it is a deployment."""
