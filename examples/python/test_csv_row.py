"""`PYTHONPATH=bindings python3 -m unittest`: plain Python and the bindings that componentize-py makes, no WebAssembly."""

import json
import unittest

from componentize_py_types import Err
from wit_world.imports.types import Delivery, Dropped, FailureKind_Permanent, Field, Verdict_Drop, Webhook

from csv_row import Transformer

CONFIG = {"columns": {"name": "/entry/name", "tags": "/entry/tags", "first": "/entry/tags/0"}}


def transform(event, **config):
    """The verdict on an event."""
    delivery = Delivery(
        event_id="evt_1",
        delivery_id="dlv_1",
        event_type="entry.publish",
        source="strapi",
        received_ms=0,
        run=1,
        webhook=Webhook(id="table", name="Table", labels=[]),
        attributes=[],
        headers=[],
        content_type="application/json",
        data=event if isinstance(event, bytes) else json.dumps(event).encode(),
        config=json.dumps(CONFIG | config),
    )
    return Transformer().transform(delivery)


class CsvRow(unittest.TestCase):
    def test_an_entry_becomes_a_row(self):
        changes = transform({"entry": {"name": 'Ana "Q" Müller', "tags": ["a", "b"]}}).value
        self.assertEqual(changes.data.decode(), '"Ana ""Q"" Müller","[""a"", ""b""]",a\r\n')
        self.assertEqual(changes.content_type, "text/csv; charset=utf-8")
        self.assertEqual(changes.set_headers, [Field("x-csv-columns", "3")])

    def test_the_heading_names_the_columns(self):
        changes = transform({"entry": {"name": "Ana"}}, heading=True).value
        self.assertEqual(changes.data.decode(), "name,tags,first\r\nAna,,\r\n")

    def test_what_is_not_wanted_is_dropped(self):
        only = {"/model": ["article", "page"]}
        self.assertEqual(transform({"model": "tag"}, only=only), Verdict_Drop(Dropped('/model is "tag"', None, [])))
        self.assertEqual(transform({}, only=only), Verdict_Drop(Dropped("/model is null", None, [])))

    def test_what_cannot_be_decided_fails_with_a_code(self):
        for event, code in [({"entry": {"name": None}}, "missing-value"), (b"<xml/>", "not-json")]:
            with self.assertRaises(Err) as raised:
                transform(event, required=["name"])
            failure = raised.exception.value
            self.assertEqual((failure.kind, failure.code), (FailureKind_Permanent(), code))

    def test_the_manifest_has_a_schema_of_the_config(self):
        manifest = Transformer().describe()
        self.assertEqual(manifest.name, "csv-row")
        self.assertEqual(json.loads(manifest.config_schema)["required"], ["columns"])


if __name__ == "__main__":
    unittest.main()
