"""A choice among texts: WTForms' own warns of whatever form an older release of it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape
from wtforms import Field, StringField, ValidationError
from wtforms.widgets import html_params

from ..texts import gettext


class SelectOne:
    """A list to choose from."""

    def __call__(self, field: Field, **attributes: Any) -> Markup:
        """The element with its options."""
        attributes.setdefault("id", field.id)
        options = Markup("").join(
            Markup("<option {}>{}</option>").format(
                Markup(html_params(value=value, selected=value == field.data)),  # noqa: S704
                escape(label),
            )
            for value, label in field.options.items()
        )
        parameters = Markup(html_params(name=field.name, **attributes))  # noqa: S704
        return Markup("<select {}>{}</select>").format(parameters, options)


class ChoiceField(StringField):
    """One of *options*: labels by the texts that are sent."""

    widget = SelectOne()

    def __init__(self, label: Any, *, options: Mapping[str, Any], **arguments: Any) -> None:
        super().__init__(label, **arguments)
        self.options = options

    def pre_validate(self, form: Any) -> None:
        """Refuse what isn't on the list."""
        if self.data not in self.options:
            raise ValidationError(gettext("Choose one of these."))
