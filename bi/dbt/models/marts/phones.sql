-- one row per phone that is there now, with what should be done about it
with found as (
    select
        pbx,
        device_id,
        count(case when severity = 'high' then 1 end) as findings_high,
        count(case when severity = 'medium' then 1 end) as findings_medium,
        count(case when severity = 'low' then 1 end) as findings_low
    from {{ source('threecx', 'findings') }}
    where device_id is not null
    group by pbx, device_id
)
select
    d.pbx,
    d.device_id,
    d.mac,
    d.vendor,
    d.model,
    d.firmware_version,
    d.ip_address,
    d.dn_number,
    d.dn_name,
    d.first_seen_at,
    d.last_changed_at,
    d.last_confirmed_at,
    coalesce(f.findings_high, 0) as findings_high,
    coalesce(f.findings_medium, 0) as findings_medium,
    coalesce(f.findings_low, 0) as findings_low
from {{ source('threecx', 'devices') }} d
left join found f on f.pbx = d.pbx and f.device_id = d.device_id
