-- title: Extension with a weak authentication ID
-- severity: high
-- reason: The PBX tags the extension WeakID: its authentication ID can be guessed. Often it is the number.
-- action: Give the extension a new authentication ID and provision its phones.
select p.pbx, p.device_id, p.since, 'extension ' || coalesce(p.dn_number, '?') || ' is tagged WeakID' as detail
from {while v.dn_tags like '%"WeakID"%'} p
