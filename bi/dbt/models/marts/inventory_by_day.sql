-- one row per day, PBX, vendor and model; a day without a complete snapshot carries the last one (is_carried)
select
    i.day,
    i.pbx,
    coalesce(i.vendor, 'unknown') as vendor,
    coalesce(i.model, 'unknown') as model,
    i.is_carried,
    sum(i.devices) as devices
from {{ source('threecx', 'daily_inventory') }} i
group by i.day, i.pbx, coalesce(i.vendor, 'unknown'), coalesce(i.model, 'unknown'), i.is_carried
