"""From a recording to the tensors that a network takes: events, file formats, representations, simulator, data sets."""
