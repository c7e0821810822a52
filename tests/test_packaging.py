"""What is shipped: the three packages with their data, the command, the licence."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("manual_grads", "tf_reference", "gradtwin")


@pytest.fixture(scope="module")
def project() -> dict:
    """Read pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel with the backend of pyproject.toml and name its files."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(file).namelist())


def test_the_wheel_holds_every_file_of_the_three_packages_and_nothing_else(wheel: set[str]) -> None:
    """Pages, data and py.typed go in; tests, benchmarks and caches stay out."""
    files = {file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file()}
    kept = {str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts}
    assert {name for name in wheel if ".dist-info/" not in name} == kept


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_declares_its_types(wheel: set[str], package: str) -> None:
    """A type checker reads a package's hints only where it finds py.typed."""
    assert f"{package}/py.typed" in wheel


def test_the_data_that_ships_is_in_the_wheel(wheel: set[str]) -> None:
    """The zoo, the digits and the printed figures travel with the code."""
    kinds = {Path(name).suffix for name in wheel if name.startswith("gradtwin/")}
    assert {".csv", ".npz", ".json"} <= kinds


def test_the_command_and_the_licence_are_declared(project: dict, wheel: set[str]) -> None:
    """`gradtwin` runs gradtwin.commands.cli:main, and the wheel carries the MIT licence."""
    assert project["project"]["scripts"] == {"gradtwin": "gradtwin.commands.cli:main"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_the_dependencies_are_few_and_have_lower_bounds(project: dict) -> None:
    """An installed Gradtwin has what it runs on; TensorBoard brings pillow and markupsafe too."""
    names = {requirement.split(">=")[0] for requirement in project["project"]["dependencies"]}
    assert names == {"tensorflow", "numpy", "ml-dtypes", "tensorboard", "pillow", "markupsafe", "click", "rich"}
