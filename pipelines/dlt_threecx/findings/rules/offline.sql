-- title: Phone that is off line for a week
-- severity: low
-- reason: It was not registered in any reading for seven days or more: unplugged, broken, or no longer used.
-- action: Find it, or delete it from the PBX.
select p.pbx, p.device_id, p.since,
    'off line since ' || strftime(p.since at time zone 'UTC', '%Y-%m-%d') || ', last at '
        || coalesce(nullif(p.ip_address, ''), 'no address') as detail
from {while not v.online} p
where p.since <= current_timestamp - interval '7 days'
