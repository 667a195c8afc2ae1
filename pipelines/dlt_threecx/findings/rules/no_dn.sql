-- title: Phone without an extension
-- severity: low
-- reason: The PBX provisions a phone that belongs to nobody.
-- action: Assign it, or delete it.
select p.pbx, p.device_id, p.since,
    concat_ws(' ', nullif(p.vendor, ''), nullif(p.model, ''), nullif(p.mac, ''), 'has no DN') as detail
from {while v.dn_id is null and coalesce(v.dn_number, '') = ''} p
