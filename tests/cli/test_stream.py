"""`ranvier stream`: how it is ended, what it says about its source, and what it refuses."""

import io
import json
import sys

import pytest

from ranvier.cli.options import print_json


def test_a_line_of_json_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe)))
    print_json({"t_us": 1})
    assert json.loads(pipe.getvalue()) == {"t_us": 1}
