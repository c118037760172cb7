"""Where code that nobody here wrote runs: contained by the kernel, or not at all."""
