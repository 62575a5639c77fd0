"""A select field without the deprecation warnings of WTForms' own."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape
from wtforms import Field, StringField, ValidationError
from wtforms.widgets import html_params

from ..translation.texts import gettext


class SelectOne:
    """Render a ``<select>``."""

    def __call__(self, field: Field, **attributes: object) -> Markup:
        """Return the element with its options."""
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
    """A choice among *options*, which maps submitted values to labels."""

    widget = SelectOne()

    def __init__(
        self, label: object, *, options: Mapping[str, object], **arguments: object
    ) -> None:
        super().__init__(label, **arguments)
        self.options = options

    def pre_validate(self, form: object) -> None:
        """Refuse a value that isn't an option."""
        if self.data not in self.options:
            raise ValidationError(gettext("Choose one of these."))
