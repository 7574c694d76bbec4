"""Judges deliveries as receivers in Python do: `v1` by the package standardwebhooks.

Reads lines of JSON from the file that is named, prints one line: how many fit.
"""

import json
import sys

from standardwebhooks import Webhook


def fits(delivery: dict) -> bool:
    try:
        Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"], json_parse=False)
    except Exception:  # Whatever it says: not verified.
        return False
    return True


with open(sys.argv[1], encoding="utf-8") as lines:
    print(json.dumps({"v1": sum(fits(json.loads(line)) for line in lines)}))
