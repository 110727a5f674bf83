"""A peer in an interpreter of its own: `python -m bench.fingerprinters.peer NAME`.

Reads one request a line (JSON) and answers each with one line: `version`; `fit`, with a file of all
references' samples one after another and their lengths; `ask`, with a .npy of queries. What the
peer prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.fingerprinters.system import Fingerprinter

__all__ = ["PEERS", "main"]

PEERS: Final = {
    "chromaprint": ("chromaprint_peer", "Chromaprint"),
    "audfprint": ("audfprint_peer", "Audfprint"),
    "dejavu": ("dejavu_peer", "DejavuPeer"),
    "audiolocate": ("audiolocate_peer", "Audiolocate"),
    "pith-audio": ("pith_peer", "Pith"),
}
"""Module and class of each."""


def main() -> None:
    """Answer until the input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module_name, class_name = PEERS[sys.argv[1]]
    module = importlib.import_module(f"bench.fingerprinters.{module_name}")
    system: Fingerprinter = getattr(module, class_name)()
    for line in sys.stdin:
        request = json.loads(line)
        begin_s = time.process_time()
        reply = _reply(module.VERSION, system, request)
        reply["cpu_s"] = time.process_time() - begin_s
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _reply(version: str, system: Fingerprinter, request: dict[str, Any]) -> dict[str, Any]:
    if "fit" in request:
        whole = np.memmap(Path(request["fit"]), np.int16, mode="r")
        system.fit(np.split(whole, np.cumsum(request["lengths"])[:-1]))
        return {}
    if "ask" in request:
        return {"answers": system.ask(np.load(request["ask"]))}
    return {"version": version}


if __name__ == "__main__":
    main()
