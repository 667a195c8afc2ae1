-- one row per field that changed; a device that was added, removed or came back is one row without a field
with versions as (
    select v.pbx, v.device_id, v.snapshot_id, v.observed_at, v.change, v.changed_fields, {columns:v}
    from {schema}device_versions v
    join {schema}complete_snapshots s on s.pbx = v.pbx and s.snapshot_id = v.snapshot_id
), pairs as (
    select
        v.*,
        {previous:v}
    from versions v
    window device as (partition by v.pbx, v.device_id order by v.snapshot_id)
), fields as (
    {fields}
), changed as (
    select p.*, f.field
    from pairs p, unnest(cast(p.changed_fields as varchar[])) as f(field)
    where p.change in ('changed', 'refreshed')
    union all
    select p.*, null as field
    from pairs p
    where p.change in ('added', 'removed', 'returned')
)
select
    c.observed_at as changed_at,
    c.pbx,
    c.device_id,
    c.change,
    c.field,
    case when c.field is not null then coalesce(f.category, 'other') end as category,
    case
        when starts_with(c.field, 'extra.') then json_extract_string(c.old_extra, '$."' || substr(c.field, 7) || '"')
        {old_values}
    end as old_value,
    case
        when starts_with(c.field, 'extra.') then json_extract_string(c.extra, '$."' || substr(c.field, 7) || '"')
        {new_values}
    end as new_value,
    {columns:c}
from changed c
left join fields f on f.field = c.field
