"""Read-only JSON: nothing changes it, everything that reads JSON reads it, every copy is plain."""

import copy
import json
import pickle

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.template.frozen import FrozenDict, FrozenList, freeze, thaw

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text()
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)

DICT_MUTATIONS = {
    "set": lambda d: d.__setitem__("a", 2),
    "new key": lambda d: d.__setitem__("b", 2),
    "delete": lambda d: d.__delitem__("a"),
    "or": lambda d: d.__ior__({"b": 2}),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a"),
    "pop unknown": lambda d: d.pop("b", None),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("b", 1),
    "update": lambda d: d.update(b=1),
    "init": lambda d: d.__init__({"b": 1}),
}
LIST_MUTATIONS = {
    "set": lambda x: x.__setitem__(0, 9),
    "set slice": lambda x: x.__setitem__(slice(None), []),
    "delete": lambda x: x.__delitem__(0),
    "add": lambda x: x.__iadd__([3]),
    "multiply": lambda x: x.__imul__(2),
    "append": lambda x: x.append(3),
    "clear": lambda x: x.clear(),
    "extend": lambda x: x.extend([3]),
    "insert": lambda x: x.insert(0, 3),
    "pop": lambda x: x.pop(),
    "remove": lambda x: x.remove(1),
    "reverse": lambda x: x.reverse(),
    "sort": lambda x: x.sort(),
    "init": lambda x: x.__init__([3]),
}


@pytest.mark.parametrize("mutate", DICT_MUTATIONS.values(), ids=DICT_MUTATIONS)
def test_a_frozen_dict_refuses_every_change(mutate):
    view = freeze({"a": 1})
    with pytest.raises(TypeError, match=r"read-only view.*copy"):
        mutate(view)
    assert view == {"a": 1}


@pytest.mark.parametrize("mutate", LIST_MUTATIONS.values(), ids=LIST_MUTATIONS)
def test_a_frozen_list_refuses_every_change(mutate):
    view = freeze([1, 2])
    with pytest.raises(TypeError, match=r"read-only view.*copy"):
        mutate(view)
    assert view == [1, 2]


@pytest.mark.parametrize("kind", [FrozenDict, FrozenList])
def test_no_method_that_changes_a_plain_value_was_overlooked(kind):
    """A method that a later Python adds to dict or list is either listed here or refused there."""
    reading = {
        "__class__", "__class_getitem__", "__contains__", "__copy__", "__deepcopy__", "__delattr__",
        "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__getitem__",
        "__getstate__", "__gt__", "__hash__", "__init_subclass__", "__iter__", "__le__", "__len__",
        "__lt__", "__module__", "__ne__", "__new__", "__reduce__", "__reduce_ex__", "__repr__",
        "__reversed__", "__setattr__", "__sizeof__", "__slots__", "__str__", "__subclasshook__",
        "__annotations__", "__orig_bases__", "__parameters__", "__static_attributes__",
        "__firstlineno__", "__weakref__", "__or__", "__ror__", "__add__", "__mul__", "__rmul__",
        "copy", "fromkeys", "get", "items", "keys", "values", "count", "index", "proof",
    }  # fmt: skip
    for name in set(dir(kind)) - reading:
        with pytest.raises(TypeError, match="read-only view"):
            getattr(freeze({}) if kind is FrozenDict else freeze([]), name)()


def test_attributes_cannot_be_hung_on():
    with pytest.raises(AttributeError):
        freeze({}).extra = 1
    with pytest.raises(AttributeError):
        freeze([]).extra = 1


@given(JSON_VALUES)
def test_a_frozen_value_equals_and_serialises_like_the_plain_one(value):
    view = freeze(value)
    assert view == value
    assert orjson.dumps(view) == orjson.dumps(value)
    assert json.dumps(view) == json.dumps(value)
    assert repr(view) == repr(value)


@given(JSON_VALUES)
def test_every_deep_copy_is_plain_and_shares_nothing_that_can_change(value):
    for plain in (copy.deepcopy(freeze(value)), thaw(freeze(value)), json.loads(json.dumps(value))):
        assert plain == value
        assert containers(plain) <= {dict, list}


def test_shallow_copies_are_plain_at_the_top_only():
    view = freeze({"a": [1]})
    for shallow in (copy.copy(view), view.copy(), dict(view), view | {}):
        assert type(shallow) is dict
        assert shallow["a"] is view["a"]
    for shallow in (copy.copy(view["a"]), view["a"].copy(), list(view["a"]), view["a"] + []):
        assert type(shallow) is list


@given(JSON_VALUES)
def test_a_frozen_value_survives_pickling_frozen(value):
    again = pickle.loads(pickle.dumps(freeze(value)))
    assert again == value
    assert containers(again) <= {FrozenDict, FrozenList}


def test_what_was_frozen_is_a_copy():
    value = {"a": [1]}
    view = freeze(value)
    value["a"].append(2)
    assert view == {"a": [1]}


def containers(value):
    """The types of all dicts and lists in a value."""
    if isinstance(value, dict):
        return {type(value)}.union(*map(containers, value.values()))
    if isinstance(value, list):
        return {type(value)}.union(*map(containers, value))
    return set()
