"""What is claimed about speed and about faults, as commands that print figures. Nothing here is asserted in a test."""
