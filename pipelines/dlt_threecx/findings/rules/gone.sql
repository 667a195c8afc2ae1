-- title: Phone that is gone for a week
-- severity: low
-- reason: It was removed from its PBX between 7 and 90 days ago and is on no other PBX. It may lie in a drawer, or have
-- left the house.
-- action: Find it and reset it. Until then it keeps its last password.
select g.pbx, g.device_id, g.removed_at as since,
    concat_ws(' ', nullif(g.dn_number, ''), nullif(g.dn_name, ''), nullif(g.vendor, ''),
        nullif(g.model, ''), nullif(g.mac, ''), 'is gone since',
        strftime(g.removed_at at time zone 'UTC', '%Y-%m-%d')) as detail
from gone g
where g.removed_at <= current_timestamp - interval '7 days'
    and g.removed_at > current_timestamp - interval '90 days'
    and not exists (select 1 from phones p where p.mac = g.mac and g.mac <> '')
