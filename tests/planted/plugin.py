"""A pytest plugin and a switch: while COURTRELAY_PLANT names a bug, its module is loaded with the bug in it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any

from tests.planted.catalogue import PLANTS, Plant


class PlantedLoader(importlib.machinery.SourceFileLoader):
    """Loads a module's source with one text replaced; nothing is cached."""

    plant: Plant

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        if source.count(self.plant.text) != 1:
            raise RuntimeError(
                f"{self.plant.name}: its text stands {source.count(self.plant.text)} times in {fullname}"
            )
        return compile(source.replace(self.plant.text, self.plant.bug), self.path, "exec")


class PlantedFinder(importlib.abc.MetaPathFinder):
    """Finds the one module."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname != self._plant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        loader = PlantedLoader(fullname, spec.origin)
        loader.plant = self._plant
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def install(name: str) -> Plant:
    """Switch one bug on, before its module is imported."""
    (plant,) = (plant for plant in PLANTS if plant.name == name)
    sys.meta_path.insert(0, PlantedFinder(plant))
    return plant


if os.environ.get("COURTRELAY_PLANT") and "pytest" in sys.modules:
    install(os.environ["COURTRELAY_PLANT"])
