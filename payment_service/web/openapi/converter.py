"""Conversion of marshmallow schemas to OpenAPI, where apispec needs to know more about ours."""

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema
from marshmallow.fields import Field

from payment_service.web.error_schemas import TextOrErrors
from payment_service.web.field_errors import BaseField
from payment_service.web.openapi.decorators import Media

Described = dict[str, Any]

NULL: Described = {"type": "string", "nullable": True, "enum": [None]}
"""Null only, as OpenAPI 3.0 can express it."""


class Converter(OpenAPIConverter):
    """The library's converter, with the descriptions of our fields and schemas."""

    def schema2jsonschema(self, schema: Schema) -> Described:
        """Return a schema with its docstring, and open: requests and responses may have more fields than described."""
        described: Described = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        described.pop("additionalProperties", None)
        return {"description": about_of(schema), **described}

    def field2property(self, field: "Field[Any]") -> Described:
        """Give the field of an error that is a text or a list two types."""
        described: Described = super().field2property(field)
        if isinstance(field, TextOrErrors):
            return {"example": described.pop("example"), "anyOf": [{"type": "string"}, described]}
        return described

    def field2read_only(self, field: "Field[Any]", **kwargs: Any) -> Described:
        """Return nothing: requests and responses have different schemas, so no field needs `readOnly`."""
        return {}

    def field2nullable(self, field: "Field[Any]", ret: Described) -> Described:
        """Return `nullable` for our own optional fields, where null means absent, and for responses that show null."""
        takes_null = isinstance(field, BaseField) and field.null_is_absence and not field.required
        if not (field.allow_none or takes_null):
            return {}
        if "$ref" in ret:
            return {"anyOf": [{"$ref": ret.pop("$ref")}, NULL]}
        if None not in ret.get("enum", [None]):
            return {"nullable": True, "enum": [*ret["enum"], None]}
        return {"nullable": True}

    def query_parameters(self, schema: Schema) -> list[Described]:
        """Return a query's schema as parameters; a null cannot be sent in a query."""
        found: list[Described] = self.schema2parameters(schema, location="query")
        for parameter in found:
            described = parameter["schema"]
            if described.pop("nullable", False) and "enum" in described:
                described["enum"] = [word for word in described["enum"] if word is not None]
        return found


class Plugin(MarshmallowPlugin):
    """The library's plugin with our converter; a component has the name of its class."""

    Converter = Converter

    def __init__(self) -> None:
        super().__init__(lambda schema: type(schema).__name__)


def about_of(body: Schema | Media) -> str:
    """Return the description of a schema (its docstring) or of a media type."""
    return body.about if isinstance(body, Media) else (type(body).__doc__ or "").strip()


def either(shapes: list[Any], how: str = "anyOf") -> Any:
    """Return a choice of the schemas without duplicates, or the only one."""
    different = [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]
    return different[0] if len(different) == 1 else {how: different}
