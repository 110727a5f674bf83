"""Each test of settings begins with none given: no SEGUE_ variable, no .env, nothing warned of."""

import os
from pathlib import Path

import pytest

from segue.config import loading


@pytest.fixture(autouse=True)
def nothing_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("SEGUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "_warned", set())
