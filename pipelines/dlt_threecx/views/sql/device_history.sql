-- one row per version interval: from the change that opened it to the one that closed it
with marks as (
    select
        v.pbx,
        v.device_id,
        v.change,
        v.observed_at,
        lead(v.observed_at) over (partition by v.pbx, v.device_id order by v.observed_at) as next_at,
        lead(v.change) over (partition by v.pbx, v.device_id order by v.observed_at) as next_change
    from {schema}device_versions v
    where v.change <> 'refreshed' and {is_complete}
), intervals as (
    -- the first of two copies of a row is followed by the second, at the same time
    select m.pbx, m.device_id, m.observed_at as valid_from, m.next_at as valid_to, m.next_change as closed_by
    from marks m
    where m.change <> 'removed' and (m.next_at is null or m.next_at > m.observed_at)
), loaded as (
    select
        i.pbx,
        i.device_id,
        i.valid_from,
        i.valid_to,
        v.change as opened_by,
        i.closed_by,
        v.changed_fields,
        {columns:v},
        row_number() over (partition by i.pbx, i.device_id, i.valid_from, i.valid_to order by i.valid_from)
            as copy_number
    from intervals i
    join {schema}device_versions v
        on v.pbx = i.pbx and v.device_id = i.device_id and v.observed_at = i.valid_from
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
from loaded i
where i.copy_number = 1
