"""What can be compared in two answers: extracted values, wording, and contradictions between them."""
