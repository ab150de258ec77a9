"""Training and cross-validation of the learned selector."""
