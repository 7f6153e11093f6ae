"""Where the folders of a project are, and what is said when there are none."""

from __future__ import annotations

import pytest

from qbresearch.errors import InputError
from qbresearch.project import find_project


def test_a_project_is_found_from_any_folder_below_it(project, monkeypatch):
    deep = project.root / "notebooks" / "batches"
    assert find_project(deep) == find_project(project.root) == project
    monkeypatch.chdir(deep)
    assert find_project().root == project.root.resolve()


def test_the_folders_lie_below_the_root(project):
    assert project.raw == project.root / "data" / "raw" and project.raw.is_dir()
    assert project.processed == project.root / "data" / "processed"
    assert project.notebooks.is_dir() and project.reports.is_dir()


@pytest.mark.parametrize("kept", ["data/raw", "notebooks", ""])
def test_a_folder_that_lacks_one_of_the_two_is_no_project(tmp_path, kept):
    (tmp_path / kept).mkdir(parents=True, exist_ok=True)
    with pytest.raises(InputError, match="不是 qbresearch 项目文件夹") as caught:
        find_project(tmp_path)
    assert str(tmp_path.resolve()) in caught.value.where and "--project" in caught.value.fix
