"""More requests at once than the service holds: the next is told to come again, and the others are not forgotten."""

import json
import socket

from pipeline.service.guard import MOST_AT_ONCE
from pipeline.service.problems import MEDIA_TYPE

CASE = {"age_years": 47, "odi": 48}


def test_beyond_the_most_at_once_a_request_is_told_to_come_again_and_those_inside_are_answered(service):
    body = json.dumps(CASE).encode()
    head = f"POST /screen HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    address = service.address.removeprefix("http://").rsplit(":", 1)
    waiting = [socket.create_connection((address[0], int(address[1]))) for _ in range(MOST_AT_ONCE)]
    try:
        for connection in waiting:
            connection.sendall(head.encode() + b"\r\n\r\n" + body[:-1])
        refused = _once_all_are_inside(service)
        assert refused.headers["Content-Type"] == MEDIA_TYPE
        assert refused.json()["type"] == "/problems#busy"
        assert refused.headers["Retry-After"] == "1"
        assert service("GET", "/health").status_code == 200
        waiting[0].sendall(body[-1:])
        assert waiting[0].recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for connection in waiting:
            connection.close()


def _once_all_are_inside(service):
    for _ in range(100):
        response = service("GET", "/dictionary")
        if response.status_code == 503:
            return response
    raise AssertionError("nothing was refused")
