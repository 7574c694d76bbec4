"""A sender and a receiver of CloudEvents as others write them, with the package cloudevents.

    send URL TOKEN      posts one event binary, one structured, two in a batch; prints what was answered to each
    read FILE           reads deliveries, one JSON {"headers", "body"} a line, and prints what it understands of each
"""

import json
import sys
import urllib.request
from datetime import datetime, timezone

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

TIME = datetime(2026, 11, 20, 9, 14, 3, tzinfo=timezone.utc)


def event(number: str) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": number,
            "source": "https://cms.example/articles",
            "type": "com.example.article.published",
            "specversion": "1.0",
            "subject": "Zürich & 50 %",
            "time": TIME,
            "datacontenttype": "application/json",
            "tenant": "north",
        },
        data={"number": number, "title": "Brot – bread"},
    )


def post(url: str, token: str, headers: dict, body: bytes) -> object:
    headers = {**headers, "authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="POST"), timeout=30) as answer:
        return json.load(answer)


def send(url: str, token: str) -> None:
    binary, structured = to_binary_event(event("binary")), to_structured_event(event("structured"))
    print(json.dumps(post(url, token, binary.headers, binary.body)))
    print(json.dumps(post(url, token, structured.headers, structured.body)))
    # The package writes no batches: a batch is a list of structured events.
    batch = [json.loads(to_structured_event(event(number)).body) for number in ("first", "second")]
    headers = {"content-type": "application/cloudevents-batch+json"}
    print(json.dumps(post(url, token, headers, json.dumps(batch).encode())))


def read(path: str) -> None:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            delivery = json.loads(line)
            body = delivery["body"].encode()
            understood = from_http_event(HTTPMessage(headers=delivery["headers"], body=body))
            attributes = {name: str(value) for name, value in understood.get_attributes().items()}
            print(json.dumps({"attributes": attributes, "data": understood.get_data()}))


if sys.argv[1] == "send":
    send(*sys.argv[2:])
else:
    read(*sys.argv[2:])
