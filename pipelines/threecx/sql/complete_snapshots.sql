-- one row per complete snapshot whose load has finished: what all other views believe
select distinct s.pbx, s.snapshot_id, s.taken_at, s.devices
from {schema}snapshots s
join {schema}_dlt_loads l on l.load_id = s._dlt_load_id and l.status = 0
where s.status = 'complete'
