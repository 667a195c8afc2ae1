-- one row per complete snapshot whose load has finished: the base of all other views
select
    s.pbx,
    s.snapshot_id,
    max(s.taken_at) as taken_at,
    max(s.devices) as devices,
    min(s.status) = 'archived' as is_archived
from {schema}snapshots s
where
    s.status in ('complete', 'archived')
    and s._dlt_load_id in {finished_loads}
group by s.pbx, s.snapshot_id
