"""What can be compared in two answers: extracted values, wording, and where they contradict each other."""
