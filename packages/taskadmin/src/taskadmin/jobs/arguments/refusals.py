"""Translate pydantic's messages, which are English only."""

from __future__ import annotations

from collections.abc import Mapping

from ...translation.texts import gettext, language, marked, ngettext, number

#: Messages by pydantic's error type; their variables are those of the error's context.
SENTENCES: Mapping[str, str] = {
    "bool_parsing": marked("Expected yes or no."),
    "bool_type": marked("Expected yes or no."),
    "bytes_type": marked("Expected bytes."),
    "date_from_datetime_inexact": marked("Expected a date without a time."),
    "date_from_datetime_parsing": marked("Expected a date."),
    "date_future": marked("The date must be in the future."),
    "date_parsing": marked("Expected a date."),
    "date_past": marked("The date must be in the past."),
    "date_type": marked("Expected a date."),
    "datetime_from_date_parsing": marked("Expected a date and a time."),
    "datetime_future": marked("This time must be in the future."),
    "datetime_parsing": marked("Expected a date and a time."),
    "datetime_past": marked("This time must be in the past."),
    "datetime_type": marked("Expected a date and a time."),
    "decimal_parsing": marked("Expected a number."),
    "decimal_type": marked("Expected a number."),
    "dict_type": marked("Expected a mapping of names to values."),
    "enum": marked("Expected %(expected)s."),
    "finite_number": marked("Expected a finite number."),
    "float_parsing": marked("Expected a number."),
    "float_type": marked("Expected a number."),
    "frozen_set_type": marked("Expected a list."),
    "greater_than": marked("This must be more than %(gt)s."),
    "greater_than_equal": marked("This must be at least %(ge)s."),
    "int_from_float": marked("Expected a whole number."),
    "int_parsing": marked("Expected a whole number."),
    "int_parsing_size": marked("This number has too many digits."),
    "int_type": marked("Expected a whole number."),
    "less_than": marked("This must be less than %(lt)s."),
    "less_than_equal": marked("This must be at most %(le)s."),
    "limits_ordered": marked("The upper limit must not be below the lower limit."),
    "list_type": marked("Expected a list."),
    "literal_error": marked("Expected %(expected)s."),
    "model_type": marked("Expected a mapping of names to values."),
    "multiple_of": marked("This must be a multiple of %(multiple_of)s."),
    "none_required": marked("Expected no value."),
    "set_type": marked("Expected a list."),
    "string_pattern_mismatch": marked("This must match the pattern %(pattern)s."),
    "string_type": marked("Expected text."),
    "time_delta_parsing": marked("Expected a duration."),
    "time_delta_type": marked("Expected a duration."),
    "time_parsing": marked("Expected a time."),
    "time_type": marked("Expected a time."),
    "timezone_aware": marked("This needs a time zone."),
    "timezone_naive": marked("This must not have a time zone."),
    "tuple_type": marked("Expected a list."),
    "url_parsing": marked("Expected an address such as https://example.org/."),
    "url_scheme": marked("The address must begin with one of these: %(expected_schemes)s."),
    "url_type": marked("Expected an address such as https://example.org/."),
    "uuid_parsing": marked("Expected a UUID."),
    "uuid_type": marked("Expected a UUID."),
}
#: Error types with a plural form, and the name of the number in their context.
PLURAL_KINDS: Mapping[str, str] = {
    "decimal_max_digits": "max_digits",
    "decimal_max_places": "decimal_places",
    "decimal_whole_digits": "whole_digits",
    "string_too_long": "max_length",
    "string_too_short": "min_length",
    "too_long": "max_length",
    "too_short": "min_length",
    "url_too_long": "max_length",
}


def refusal(kind: str, message: str, context: Mapping[str, object]) -> str:
    """Translate pydantic's *message*, or return it unchanged if there is no translation.

    Args:
        kind: pydantic's error type.
        context: The error's context.
    """
    if language() == "en":
        return message
    if kind in PLURAL_KINDS and isinstance(count := context.get(PLURAL_KINDS[kind]), int):
        return _counted(kind, count)
    if kind not in SENTENCES:
        return message
    values = {
        name: number(value) if isinstance(value, int | float) else value
        for name, value in context.items()
    }
    try:
        return gettext(SENTENCES[kind], **values)
    except KeyError:  # another release of pydantic names it differently
        return message


def _counted(kind: str, count: int) -> str:
    match kind:
        case "string_too_short":
            return ngettext(
                "Enter at least %(num)s character.", "Enter at least %(num)s characters.", count
            )
        case "string_too_long" | "url_too_long":
            return ngettext(
                "Enter at most %(num)s character.", "Enter at most %(num)s characters.", count
            )
        case "too_short":
            return ngettext("Enter at least %(num)s item.", "Enter at least %(num)s items.", count)
        case "too_long":
            return ngettext("Enter at most %(num)s item.", "Enter at most %(num)s items.", count)
        case "decimal_max_digits":
            return ngettext(
                "Enter a number of at most %(num)s digit.",
                "Enter a number of at most %(num)s digits.",
                count,
            )
        case "decimal_max_places":
            return ngettext(
                "Enter at most %(num)s digit after the decimal point.",
                "Enter at most %(num)s digits after the decimal point.",
                count,
            )
        case _:
            return ngettext(
                "Enter at most %(num)s digit before the decimal point.",
                "Enter at most %(num)s digits before the decimal point.",
                count,
            )
