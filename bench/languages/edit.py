"""The work of the bench in Python: one value of an event replaced."""

import json

from wit_world import exports
from wit_world.imports.types import Changes, Manifest, Verdict_Deliver


class Transformer(exports.Transformer):
    def describe(self):
        return Manifest("edit", "1.0.0", "Edits one value", "", [])

    def transform(self, delivery):
        event = json.loads(delivery.data)
        event["entry"]["email"] = "***"
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        return Verdict_Deliver(Changes(data, None, [], [], [], []))
