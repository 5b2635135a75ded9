import json

import pytest
import torch

from ranvier.stream import detection_rows


def test_rows_are_json_with_whole_microseconds():
    xywh = torch.tensor([[0.5, 1, 2, 3], [4, 5, 6, 7]])
    rows = detection_rows(10, xywh, torch.tensor([0, 1]), torch.tensor([0.75, 0.5]), classes=("car", "bus"))
    assert json.loads(json.dumps(rows)) == [
        {"t_us": 10, "label": "car", "score": 0.75, "x": 0.5, "y": 1, "width": 2, "height": 3},
        {"t_us": 10, "label": "bus", "score": 0.5, "x": 4, "y": 5, "width": 6, "height": 7},
    ]
    assert detection_rows(10, torch.empty(0, 4), torch.empty(0), torch.empty(0), classes=()) == []


def test_columns_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        detection_rows(1, torch.zeros(2, 4), torch.tensor([0]), torch.tensor([0.5]), classes=("car",))
