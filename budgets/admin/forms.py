"""The forms of a cap: what an operator writes, checked before the service is called."""

import uuid
from typing import Any

from django import forms

from budgets import money, subjects, windows
from budgets.errors import AmountError
from budgets.models import Cap
from budgets.windows import Layer, WindowKind
from genie.core import errors


class CapForm(forms.ModelForm[Cap]):
    """The amount of a cap. Unlimited is said in so many words, never by an empty field."""

    credits = forms.CharField(
        required=False,
        max_length=40,
        help_text="The most that may be spent and held in the window, with at most six decimals. "
        "0 allows nothing. Setting it ends a temporary raise.",
    )
    unlimited = forms.BooleanField(required=False, help_text="Instead of an amount.")
    reason = forms.CharField(
        max_length=300, label="Why", help_text="For your colleagues; it goes into the admin's log."
    )

    class Meta:
        model = Cap
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            cap = self.instance.cap_microcredits
            self.initial["credits"] = "" if cap is None else money.to_text(cap)
            self.initial["unlimited"] = cap is None

    def clean(self) -> dict[str, Any]:
        """Set ``cap_microcredits``, which is None for unlimited."""
        cleaned = super().clean() or self.cleaned_data
        text, unlimited = cleaned.get("credits", "").strip(), cleaned.get("unlimited", False)
        if bool(text) == unlimited:
            self.add_error("credits", "Write an amount, or tick unlimited: one of the two.")
        elif text:
            try:
                cleaned["cap_microcredits"] = money.from_credits(text)
            except AmountError as error:
                self.add_error("credits", str(error))
        else:
            cleaned["cap_microcredits"] = None
        return cleaned


class NewCapForm(CapForm):
    """A cap and, by name, whom it is for. One that exists already gets the new amount."""

    organization = forms.CharField(
        max_length=48, help_text="Its slug. A user is named through an organization as well."
    )
    layer = forms.ChoiceField(choices=[(one.value, one.value) for one in Layer])
    subject = forms.CharField(
        required=False,
        max_length=200,
        help_text="The application's name, or the member's or user's user name. "
        "Empty for the organization itself.",
    )
    window = forms.ChoiceField(
        choices=[(one.value, one.value) for one in WindowKind],
        help_text="; ".join(
            f"{layer}: {', '.join(kinds)}" for layer, kinds in windows.WINDOWS_OF.items()
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Set ``subject_id``."""
        cleaned = super().clean()
        if not {"organization", "layer", "window"} <= cleaned.keys():
            return cleaned
        layer, window = Layer(cleaned["layer"]), WindowKind(cleaned["window"])
        if window not in windows.WINDOWS_OF[layer]:
            having = ", ".join(windows.WINDOWS_OF[layer])
            self.add_error("window", f"The {layer} layer has no {window} window; it has: {having}.")
        cleaned["subject_id"] = self._subject(cleaned["organization"].strip(), layer)
        return cleaned

    def _subject(self, organization: str, layer: Layer) -> uuid.UUID | None:
        name = self.cleaned_data.get("subject", "").strip() or None
        try:
            return subjects.find(organization, layer=layer, name=name)
        except errors.NotFound as error:
            self.add_error("organization" if name is None else "subject", error.message)
        except errors.InvalidRequest as error:
            self.add_error("subject", error.message)
        return None
