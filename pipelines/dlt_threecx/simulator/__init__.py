"""A 3CX on loopback: its token endpoint and its list of SIP devices, with a fleet behind it that changes.

```python
fleet = Fleet(devices=500)
with Simulator(fleet) as pbx:
    ...  # read pbx.base_url with pbx.client_id and pbx.client_secret
    fleet.next_day()
```

Names, types, options, errors and token rules follow 3CX's published description of version 20.0.10; what
the description leaves open is a guess, and no real list of devices was ever seen. Not imitated:

- other collections (users, groups, templates …), `$metadata`, `$batch`, anything that writes;
- TLS, the licence, the block of an address after refused credentials, roles that see one department only
  (any role but the System Owner's gets 403);
- token signatures: the third part is text that says it is none; tokens of several clients side by side;
- .NET's collation (texts sort by code point), and its wording of errors beyond the common ones;
- what `$search` really looks at: here number, name, MAC, vendor, model and address;
- the values' true formats: MAC, firmware and user agent look plausible, `Capabilities` means nothing;
- speed: a real PBX takes far longer for a page (`delay_seconds`).

Every secret in it is made up and begins with `pw-secret-`, so that a search finds a leak.
"""

from dlt_threecx.simulator.faults.plan import FAULTS
from dlt_threecx.simulator.fleet.days import Day
from dlt_threecx.simulator.fleet.fleet import Fleet
from dlt_threecx.simulator.messages import Request
from dlt_threecx.simulator.schema import SHAPES
from dlt_threecx.simulator.server import CLIENT_SECRET, Simulator

__all__ = ["CLIENT_SECRET", "FAULTS", "SHAPES", "Day", "Fleet", "Request", "Simulator"]
