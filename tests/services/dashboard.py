"""Read the dashboard's HTML."""

from __future__ import annotations

import re
from html import unescape

from sqlalchemy import update
from sqlalchemy.orm import Session

from taskadmin.models import LedgerState
from taskadmin.store.database import clock

PATH = "/taskadmin/dashboard/"


def cards(page: str) -> dict[str, tuple[str, str, str]]:
    """Return number, address and small print of each card."""
    found = re.findall(
        r'<li class="card stat[^"]*"><a href="([^"]*)">\s*<span class="stat-label">(.*?)</span>'
        r'\s*<span class="stat-value">(.*?)</span>\s*<span class="sub">(.*?)</span>',
        page,
        re.DOTALL,
    )
    return {
        label: (value.strip(), url, re.sub(r"<[^>]+>", "", about).strip())
        for url, label, value, about in found
    }


def part(page: str, name: str) -> str:
    """Return the text of a live part of the page."""
    html = page.partition(f'data-live="{name}"')[2].partition("</section>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def tick(session: Session) -> None:
    """Record a launcher's turn now."""
    session.execute(update(LedgerState).values(ticked_at=clock.now(session)))
    session.commit()
