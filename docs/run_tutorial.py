"""Run the tutorial notebook and store what it prints, in place.

    python docs/run_tutorial.py

Execution counts and times are left out, so that running it again changes nothing but what the cells print.
"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent / "tutorial.ipynb"


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run all cells in a kernel of their own, in a folder; what TensorFlow says on stderr is left out.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raises.
    """
    done = nbformat.from_dict(notebook)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings = {"kernel_name": "python3", "timeout": 120, "record_timing": False, "coalesce_streams": True}
    client = NotebookClient(done, resources={"metadata": {"path": str(folder)}}, **settings)
    client.execute()
    for cell in done.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [_repeatable(o) for o in cell.outputs if o.get("name") != "stderr"]
    return done


def _repeatable(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "execution_count" in output:
        output.execution_count = None
    return output


if __name__ == "__main__":
    nbformat.write(executed(nbformat.read(NOTEBOOK, as_version=4), NOTEBOOK.parent), NOTEBOOK)
