"""Who looks at the dashboard, and what they may do there."""

from __future__ import annotations

import msgspec


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signed in. ``name`` is shown and kept with what they did; ``id`` is their object id.

    ``operator``: they may acknowledge, silence and ask for runs; whoever may not sees no forms. ``form_token`` goes
    into each form as the hidden field ``token``. ``local``: nobody signed in; it is the stand-in on one's own machine.
    """

    name: str
    id: str = ""
    operator: bool = False
    form_token: str = ""
    local: bool = False

    @property
    def author(self) -> str:
        """Whom what they do is kept as: a name that people know, and an id that stays the same."""
        return f"{self.name} ({self.id})" if self.id else self.name
