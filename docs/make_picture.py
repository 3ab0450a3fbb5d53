"""Make docs/perfect-storm.png from a real run, and attach it to the tour.

    .venv/bin/python docs/make_picture.py

Needs a `chromium` on PATH. Times differ from run to run, so the picture does too.
"""

import subprocess
import tempfile
from base64 import b64encode
from pathlib import Path

import nbformat

from syncsim import run
from syncsim.ui.charts import retry_timeline

DOCS = Path(__file__).parent
PICTURE = DOCS / "perfect-storm.png"
TOUR = DOCS.parent / "notebooks" / "00_tour.ipynb"


def main() -> None:
    """Play the storm, photograph its timeline, and put the picture into the notebook."""
    storm = run("perfect-storm", on="threads", users=6, seed=7)
    assert storm.passed, storm.findings
    figure = retry_timeline(storm)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "storm.html")
        figure.write_html(page, config={"displayModeBar": False}, default_width="100%")
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = f"--window-size=1100,{figure.layout.height + 16}"
        wait = "--virtual-time-budget=10000"
        shot = f"--screenshot={PICTURE}"
        subprocess.run([*chromium, size, wait, shot, page.as_uri()], check=True)
    notebook = nbformat.read(TOUR, as_version=4)
    png = b64encode(PICTURE.read_bytes()).decode()
    notebook.cells[0].attachments = {PICTURE.name: {"image/png": png}}
    nbformat.write(notebook, TOUR)


if __name__ == "__main__":
    main()
