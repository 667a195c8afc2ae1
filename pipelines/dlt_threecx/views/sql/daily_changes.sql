-- one row per day, PBX, category, vendor and model: how many devices and fields changed
select
    c.changed_on as day,
    c.pbx,
    c.category,
    c.vendor,
    c.model,
    c.is_initial_load,
    count(distinct c.device_id) as devices,
    count(c.field) as fields
from {schema}device_changes c
group by c.changed_on, c.pbx, c.category, c.vendor, c.model, c.is_initial_load
