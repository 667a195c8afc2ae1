-- one row per day, PBX and category: how many phones changed; the first snapshot of a PBX is no change
select
    c.changed_on as day,
    c.pbx,
    c.category,
    count(distinct c.update_id) as updates,
    count(distinct c.device_id) as devices,
    count(c.field) as fields
from {{ source('threecx', 'device_changes') }} c
where not c.is_initial_load and c.change <> 'refreshed'
group by c.changed_on, c.pbx, c.category
