"""Write what was trained as the file that workers run."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from models.fingerprint.engine import configuration, probe
from models.fingerprint.network import Encoder, shown

__all__ = ["export"]


class _Whole(nn.Module):
    """From power to vectors, so that no worker repeats what the encoder is shown."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, power: Tensor) -> Tensor:
        found: Tensor = self.encoder(shown(power))
        return found


def export(path: Path, encoder: Encoder, notes: Mapping[str, str]) -> None:
    """Write the encoder, with its configuration, its test and `notes` on where it comes from."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, we do not
    whole, windows = _Whole(encoder).eval(), torch.from_numpy(probe())
    program = torch.onnx.export(
        whole,
        (windows,),
        dynamo=True,
        dynamic_shapes={"power": {0: torch.export.Dim("windows")}},
        opset_version=18,
        verbose=False,
    )
    assert program is not None
    with torch.inference_mode():
        expected = whole(windows).numpy().tobytes()
    model = program.model_proto
    for key, value in (
        ("configuration", configuration()),
        ("expected", b64encode(expected).decode()),
        ("notes", json.dumps(dict(notes))),
    ):
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
