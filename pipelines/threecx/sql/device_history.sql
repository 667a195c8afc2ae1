-- one row per version interval: from the change that opened it to the one that closed it
with intervals as (
    select
        v.pbx,
        v.device_id,
        v.snapshot_id,
        v.change as opened_by,
        v.observed_at as valid_from,
        lead(v.observed_at) over (partition by v.pbx, v.device_id order by v.snapshot_id) as valid_to,
        lead(v.change) over (partition by v.pbx, v.device_id order by v.snapshot_id) as closed_by,
        v.changed_fields,
        {columns:v}
    from {schema}device_versions v
    join {schema}complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
    where v.change <> 'refreshed'
)
select
    i.pbx,
    i.device_id,
    i.valid_from,
    i.valid_to,
    i.valid_to is null as is_current,
    i.opened_by,
    i.closed_by,
    i.changed_fields,
    {columns:i}
from intervals i
where i.opened_by <> 'removed'
