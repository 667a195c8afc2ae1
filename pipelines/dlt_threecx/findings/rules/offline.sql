-- title: Phone that is off line for a week
-- severity: low
-- reason: It was not registered in any reading for seven days or more: unplugged, broken, or no longer used. Releases of
-- 3CX up to 20.0.10 do not say whether phones are on line; then it is unknown.
-- action: Find it, or delete it from the PBX.
select p.pbx, p.device_id, p.since,
    'off line since ' || strftime(p.since at time zone 'UTC', '%Y-%m-%d') || ', last at '
        || coalesce(nullif(p.ip_address, ''), 'no address') as detail
from {while not v.online} p
where p.since <= current_timestamp - interval '7 days'
union all
select u.pbx, cast(null as bigint) as device_id, min(s.taken_at) as since,
    'unknown: this release of 3CX does not say whether phones are on line' as detail
from (
    select p.pbx from phones p group by p.pbx having count(p.online) = 0
) u
join finished s on s.pbx = u.pbx
group by u.pbx
