"""The evaluator: runs a validation set through the candidates and says, with a stated error rate, who may answer."""
