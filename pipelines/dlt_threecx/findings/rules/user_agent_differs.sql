-- title: User agent of another model or firmware
-- severity: medium
-- reason: The phone that registers names another model or firmware than the PBX has set up. Another phone or a softphone
-- uses the account, or an update did not arrive.
-- action: Look at the phone; change the extension's password if it is not the one that should be there.
select p.pbx, p.device_id, p.since,
    concat_ws(' ', p.user_agent, 'instead of', nullif(p.model, ''), nullif(p.firmware_version, '')) as detail
from {while v.user_agent <> '' and (
    coalesce(v.firmware_version, '') <> '' and strpos(lower(v.user_agent), lower(v.firmware_version)) = 0
    or strpos(
        regexp_replace(lower(v.user_agent), '[^a-z0-9]', '', 'g'),
        regexp_replace(lower(coalesce(v.model, '')), '[^a-z0-9]', '', 'g')
    ) = 0
)} p
