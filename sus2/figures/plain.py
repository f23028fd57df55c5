"""Figures that cost next to nothing to build: plotly's, whose objects are made only once somebody looks into them.

Plotly checks each property of each object as it is set: 50 ms of processor for three curves, and the app has one
process that draws for all its users. A Figure here collects plain dictionaries, and to_dict and all that rests on it
(JSON, HTML, the app) never makes plotly's objects. Whatever else is asked of it, such as `fig.data`, or a method that
is not below, makes and checks them first. The tests compare every figure that they draw with what plotly makes of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import lru_cache, partial, wraps
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import get_colorscale
from plotly.subplots import make_subplots

from sus2.types import Array

Properties = dict[str, Any]
Maker = Callable[..., Properties]
Grid = Any  # plotly's: for each row and column the subplots there, with their axes

# Traces, by plotly's names of them.
bar: Maker = partial(dict, type="bar")
heatmap: Maker = partial(dict, type="heatmap")
mesh3d: Maker = partial(dict, type="mesh3d")
parcoords: Maker = partial(dict, type="parcoords")
scatter: Maker = partial(dict, type="scatter")
scatter3d: Maker = partial(dict, type="scatter3d")
scattergl: Maker = partial(dict, type="scattergl")
scatterpolar: Maker = partial(dict, type="scatterpolar")
surface: Maker = partial(dict, type="surface")

NO_TEMPLATE: Final = {"data": {"scatter": [{"type": "scatter"}]}}
"""What plotly's template "none" stands for."""
_WITH_UNDERSCORE: Final = frozenset({"paper_bgcolor", "plot_bgcolor", "error_x", "error_y"})
_SHORT: Final = {
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
}


def _plain(method: Callable[..., None]) -> Callable[..., Any]:
    """A method of plain dictionaries; plotly's own of the same name once its objects are made."""

    @wraps(method)
    def call(self: Figure, *args: Any, **kwargs: Any) -> Figure:
        if "_parts" in self.__dict__:
            method(self, *args, **kwargs)
        else:
            getattr(super(Figure, self), method.__name__)(*args, **kwargs)
        return self

    return call


class Figure(go.Figure):
    """A figure of plotly with the same methods and the same results, of dictionaries until it is looked into.

    Parameters
    ----------
    data
        A trace or several, or all arguments in one dictionary, as for plotly's.
    layout
        Properties of the layout.
    frames
        Frames of an animation.
    _grid_ref
        Places of subplots, as `subplots` gives them.
    """

    def __init__(
        self, data: Any = (), layout: Mapping[str, Any] | None = None, frames: Any = (), _grid_ref: Grid = None
    ) -> None:
        if isinstance(data, Mapping) and "type" not in data:
            self.__init__(**{k: data[k] for k in ("data", "layout", "frames", "_grid_ref") if k in data})  # type: ignore[misc]
            return
        self.__dict__["_parts"] = {
            "data": [_named(trace) for trace in ([data] if isinstance(data, Mapping) else data)],
            "layout": _named({"template": NO_TEMPLATE, **(layout or {})}),
            "frames": list(frames),
        }
        self.__dict__["_places"] = _grid_ref

    def __getattr__(self, name: str) -> Any:
        """Reached for what plotly sets in its constructor: run that now."""
        parts = self.__dict__.pop("_parts", None)
        if parts is None:
            raise AttributeError(name)
        super().__init__(data=parts["data"], layout=parts["layout"], frames=parts["frames"])
        self.__dict__["_grid_ref"] = self.__dict__.pop("_places")
        return getattr(self, name)

    def to_dict(self) -> Properties:
        """The figure as a dictionary that is ready for JSON.

        Returns
        -------
        dict
            Arrays as plotly's typed arrays.
        """
        if "_parts" not in self.__dict__:
            return dict(super().to_dict())
        return {name: _ready(part) for name, part in self._parts.items() if part or name != "frames"}

    @_plain
    def add_trace(self, trace: Mapping[str, Any], row: int | None = None, col: int | None = None) -> None:
        """Add a trace, to one subplot where row and col name it."""
        made = _named(trace if isinstance(trace, Mapping) else trace.to_plotly_json())
        if row is not None and col is not None:
            made |= self._places[row - 1][col - 1][0].trace_kwargs
        self._parts["data"].append(made)

    def add_scatter(self, row: int | None = None, col: int | None = None, **properties: Any) -> Figure:
        """Add points or lines, as plotly does."""
        return self.add_trace(scatter(**properties), row=row, col=col)

    def add_bar(self, row: int | None = None, col: int | None = None, **properties: Any) -> Figure:
        """Add bars, as plotly does."""
        return self.add_trace(bar(**properties), row=row, col=col)

    @_plain
    def update_layout(self, **properties: Any) -> None:
        """Change properties of the layout, as plotly does."""
        _merge(self._parts["layout"], _named(properties))

    @_plain
    def update_xaxes(self, row: int | None = None, col: int | None = None, **properties: Any) -> None:
        """Change properties of the x axes, as plotly does."""
        self._update("xaxis", row, col, properties)

    @_plain
    def update_yaxes(self, row: int | None = None, col: int | None = None, **properties: Any) -> None:
        """Change properties of the y axes, as plotly does."""
        self._update("yaxis", row, col, properties)

    @_plain
    def update_polars(self, row: int | None = None, col: int | None = None, **properties: Any) -> None:
        """Change properties of polar subplots."""
        self._update("polar", row, col, properties)

    @_plain
    def add_annotation(self, **properties: Any) -> None:
        """Add a text, as plotly does."""
        self._parts["layout"].setdefault("annotations", []).append(_named(properties))

    @_plain
    def add_shape(self, **properties: Any) -> None:
        """Add a shape, as plotly does."""
        self._parts["layout"].setdefault("shapes", []).append(_named(properties))

    @_plain
    def add_vline(self, x: float, row: int | None = None, col: int | None = None, **properties: Any) -> None:
        """Add a vertical line through the whole subplot."""
        self._span("line", "x", (x, x), row, col, properties)

    @_plain
    def add_hline(self, y: float, row: int | None = None, col: int | None = None, **properties: Any) -> None:
        """Add a horizontal line through the whole subplot."""
        self._span("line", "y", (y, y), row, col, properties)

    @_plain
    def add_vrect(
        self, x0: float, x1: float, row: int | None = None, col: int | None = None, **properties: Any
    ) -> None:
        """Add a vertical band through the whole subplot."""
        self._span("rect", "x", (x0, x1), row, col, properties)

    @_plain
    def add_hrect(
        self, y0: float, y1: float, row: int | None = None, col: int | None = None, **properties: Any
    ) -> None:
        """Add a horizontal band through the whole subplot."""
        self._span("rect", "y", (y0, y1), row, col, properties)

    def _update(self, kind: str, row: int | None, col: int | None, properties: Properties) -> None:
        layout = self._parts["layout"]
        for place in self._chosen(row, col):
            for key in place.layout_keys if place is not None else (kind,):
                if key.startswith(kind):
                    _merge(layout.setdefault(key, {}), _named(properties))

    def _span(
        self, shape: str, axis: str, ends: tuple[float, float], row: int | None, col: int | None, properties: Properties
    ) -> None:
        """A line or a band at `ends` of one axis, through the whole subplot along the other."""
        other = "y" if axis == "x" else "x"
        for place in self._chosen(row, col):
            names = place.trace_kwargs if place is not None else {"xaxis": "x", "yaxis": "y"}
            refs = {f"{axis}ref": names[f"{axis}axis"], f"{other}ref": f"{names[f'{other}axis']} domain"}
            places = {f"{axis}0": ends[0], f"{axis}1": ends[1], f"{other}0": 0, f"{other}1": 1}
            self.add_shape(type=shape, **refs, **places, **properties)

    def _chosen(self, row: int | None, col: int | None) -> Iterator[Any]:
        """The subplots of a row and column, all of them where none is named; None for the one of a plain figure."""
        places: Grid = self._places
        if places is None:
            yield None
            return
        for i, line in enumerate(places, 1):
            for j, subplots in enumerate(line, 1):
                if row in (None, i) and col in (None, j):
                    yield subplots[0]


def subplots(rows: int, cols: int, **properties: Any) -> Figure:
    """Make a figure of subplots, with the arguments of plotly.subplots.make_subplots.

    Parameters
    ----------
    rows
        Number of rows.
    cols
        Number of columns.
    **properties
        As plotly's.

    Returns
    -------
    Figure
        Without traces.
    """
    layout, places = _grid(json.dumps({"rows": rows, "cols": cols, **properties}))
    return Figure(layout=deepcopy(layout), _grid_ref=places)


@lru_cache(maxsize=64)
def _grid(arguments: str) -> tuple[Properties, Grid]:
    """Layout and places of subplots; plotly itself is asked once for each arrangement."""
    made = make_subplots(**json.loads(arguments))
    layout = made.to_dict()["layout"]
    layout.pop("template", None)
    return layout, made._grid_ref


def _named(properties: Mapping[str, Any]) -> Properties:
    """Properties with plotly's short forms written out: title_text, a title or a scale of colours by its name."""
    found: Properties = {}
    for key, value in properties.items():
        head, _, rest = key.partition("_")
        if rest and key not in _WITH_UNDERSCORE:
            _merge(found, {head: _named({rest: value})})
        elif key == "title" and isinstance(value, str):
            found[key] = {"text": value}
        elif key == "colorscale" and isinstance(value, str):
            found[key] = get_colorscale(value)
        elif isinstance(value, Mapping):
            _merge(found, {key: _named(value)})
        elif value is not None:
            found[key] = value
    return found


def _merge(old: Properties, new: Properties) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        else:
            old[key] = value


def _ready(value: Any) -> Any:
    """A copy for JSON."""
    if isinstance(value, dict):
        return {k: _ready(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_ready(v) for v in value]
    if isinstance(value, np.ndarray):
        return _typed(value)
    return value.item() if isinstance(value, np.generic) else value


def _typed(array: NDArray[Any]) -> Any:
    """plotly's typed array, of the shortest integers that hold it; a list of what has no such type."""
    if array.dtype.kind in "iu" and array.size:
        array = array.astype(np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max())))
    short = _SHORT.get(array.dtype.name)
    if short is None or not array.size:
        return _ready(array.tolist())
    spec = {"dtype": short, "bdata": base64.b64encode(array.tobytes()).decode("ascii")}
    return spec | ({"shape": ", ".join(map(str, array.shape))} if array.ndim > 1 else {})


def joined(lines: Iterable[Array]) -> Array:
    """Join several lines for one trace, a gap (nan) after each.

    Parameters
    ----------
    lines
        (n,) each.

    Returns
    -------
    ndarray
        One array.
    """
    return np.concatenate([part for line in lines for part in (line, [np.nan])])
