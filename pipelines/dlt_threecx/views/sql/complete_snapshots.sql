-- one row per complete snapshot whose load has finished: the base of all other views
select s.pbx, s.snapshot_id, max(s.taken_at) as taken_at, max(s.devices) as devices
from {schema}snapshots s
where
    s.status = 'complete'
    and s._dlt_load_id in {finished_loads}
group by s.pbx, s.snapshot_id
