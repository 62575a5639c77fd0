"""Addresses that lead to other sites."""

from __future__ import annotations

EVIL = [
    *("//evil.example", "https://evil.example", "http:evil", "javascript:alert(1)", "evil"),
    *("/\\evil.example", "\\\\evil.example", "/%2f%2fevil.example", "%2f%2fevil.example"),
    *(
        "/%5cevil.example",
        "/%255cevil.example",
        "/%252f%252fevil",
        "/\tevil",
        "/\r\nevil",
        "/%0d%0aevil",
    ),
    *("///evil.example", "/\0", "/\u202eevil", "", " //evil.example"),
]
