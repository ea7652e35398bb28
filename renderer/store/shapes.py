"""What JSON has to be so that `from_json` makes a dataclass of it, for pydantic's core: it tells so without making it.

For who looks thousands of records over and needs a few values of each.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from pydantic_core import core_schema

from renderer.json_values import OTHERS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic_core import CoreSchema

AN_OBJECT = core_schema.typed_dict_schema({}, extra_behavior="ignore")
"""Whatever it holds: none of that is made."""
_PLAIN: Mapping[Any, CoreSchema] = {
    str: core_schema.str_schema(strict=True),
    int: core_schema.int_schema(strict=True),
    bool: core_schema.bool_schema(strict=True),
    float: core_schema.float_schema(strict=True),
}


def shape(kind: type[DataclassInstance], **instead: CoreSchema) -> CoreSchema:
    """Of a dataclass's JSON; `instead` are shapes of fields whose values are wanted.

    A field that may be None isn't looked at: `from_json` takes it for None where it is of another kind. Of kinds that
    no record holds there is no shape, and a KeyError.
    """
    hints, found = get_type_hints(kind), {}
    for one in fields(kind):
        may_be_none = types.NoneType in get_args(hints[one.name])
        if one.name in instead or not (may_be_none or one.name == OTHERS):
            required = one.default is MISSING and one.default_factory is MISSING
            own = instead.get(one.name) or _shape(hints[one.name])
            found[one.name] = core_schema.typed_dict_field(own, required=required)
    return core_schema.typed_dict_schema(found, extra_behavior="ignore")


def _shape(hint: Any) -> CoreSchema:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return core_schema.union_schema([_shape(one) for one in inner])
    if origin is Mapping:
        plain = inner[1] in (Any, object)
        return AN_OBJECT if plain else core_schema.dict_schema(_PLAIN[str], _shape(inner[1]), strict=True)
    return shape(hint) if is_dataclass(hint) and isinstance(hint, type) else _PLAIN[hint]
