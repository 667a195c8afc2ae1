-- title: Phone that is back after two weeks
-- severity: info
-- reason: It came back in the last 30 days. Before that it was gone for 14 days or more.
-- action: Check that it is where it should be, and who has it.
select m.pbx, m.device_id, m.observed_at as since,
    'gone from ' || strftime(m.before_at at time zone 'UTC', '%Y-%m-%d')
        || ' to ' || strftime(m.observed_at at time zone 'UTC', '%Y-%m-%d') as detail
from (
    select v.pbx, v.device_id, v.observed_at, v.change,
        row_number() over (partition by v.pbx, v.device_id order by v.observed_at desc) as place,
        lead(v.observed_at) over (partition by v.pbx, v.device_id order by v.observed_at desc) as before_at
    from (
        select distinct l.pbx, l.device_id, l.observed_at, l.change
        from {log:shown} l
        where l.change in ('removed', 'returned')
    ) v
) m
where m.place = 1
    and m.change = 'returned'
    and m.observed_at > current_timestamp - interval '30 days'
    and m.observed_at - m.before_at >= interval '14 days'
