-- title: Web password that is a year old
-- severity: low
-- reason: It has not changed for 365 days. Many people may have read it in that time.
-- action: Create a new one in the console.
select c.pbx, c.device_id,
    'unchanged since ' || strftime(c.changed_at at time zone 'UTC', '%Y-%m-%d') || ', at least' as detail,
    c.changed_at + interval '365 days' as since
from (
    select v.pbx, v.device_id,
        greatest(min(v.observed_at), max(case
            when v.change = 'changed' and v.changed_fields like '%"phone_web_password_fp"%' then v.observed_at
        end)) as changed_at
    from {log:shown} v
    join phones p on p.pbx = v.pbx and p.device_id = v.device_id
    where v.phone_web_password_fp is not null and p.phone_web_password_fp is not null
        and v.observed_at <= current_timestamp - interval '365 days'
    group by v.pbx, v.device_id
) c
where not exists (
    select 1
    from {log:shown} v
    where v.pbx = c.pbx and v.device_id = c.device_id and v.phone_web_password_fp is not null
        and v.change = 'changed' and v.changed_fields like '%"phone_web_password_fp"%'
        and v.observed_at > current_timestamp - interval '365 days'
)
