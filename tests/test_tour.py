"""The first notebook, and the alias of the panel that it once had."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from syncsim.ui.room.control_room import ControlRoom

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "00_tour.ipynb"


def test_the_former_panel_is_the_control_room_and_says_so() -> None:
    """A copy of the notebook that was made before still runs: the same buttons and values."""
    from syncsim.ui.tour import tour

    with pytest.warns(DeprecationWarning, match=r"syncsim\.ui\.control_room"):
        opened = tour(seed=3)
    try:
        assert isinstance(opened, ControlRoom)
        assert opened.selectors["Seed"].value == 3
    finally:
        opened.close()


def test_the_notebook_is_committed_clean() -> None:
    """No outputs, no counts, no widget state; and small, for it is read as a difference."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert NOTEBOOK.stat().st_size < 100_000


def test_the_notebook_shows_the_picture_of_the_readme() -> None:
    """Attached, so that it is there wherever the notebook is copied to."""
    first = json.loads(NOTEBOOK.read_text("utf-8"))["cells"][0]
    png = (ROOT / "docs" / "perfect-storm.png").read_bytes()
    assert first["attachments"]["perfect-storm.png"]["image/png"] == b64encode(png).decode()
    assert "attachment:perfect-storm.png" in "".join(first["source"])
    assert "Run > Run All Cells" in "".join(first["source"])
