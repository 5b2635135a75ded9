"""What a network is trained for and how: loss, metric, optimiser, the training itself and the evaluation."""
