-- title: Extension with a weak password
-- severity: high
-- reason: The PBX tags the extension WeakPass: its SIP password can be guessed.
-- action: Give the extension a new password and provision its phones.
select p.pbx, p.device_id, p.since, 'extension ' || coalesce(p.dn_number, '?') || ' is tagged WeakPass' as detail
from {while v.dn_tags like '%"WeakPass"%'} p
