"""Answers packed as the API server packs them: with gzip, where asked for and above 128 KiB."""

from __future__ import annotations

import gzip

from aiohttp import web

# k8s.io/apiserver: defaultGzipThresholdBytes and defaultGzipContentEncodingLevel.
THRESHOLD = 128 * 1024
LEVEL = 1


def packed(request: web.Request, response: web.Response) -> web.Response:
    """The response, packed in place where the server would."""
    body = response.body
    asked = "gzip" in request.headers.get("Accept-Encoding", "")
    if request.method == "GET" and asked and isinstance(body, bytes) and len(body) > THRESHOLD:
        response.body = gzip.compress(body, LEVEL)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    return response
