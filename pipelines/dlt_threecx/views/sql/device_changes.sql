-- one row per field that changed; a device that was added, removed or came back is one row without a field
with first as (
    select s.pbx, min(s.snapshot_id) as snapshot_id from {schema}complete_snapshots s
    where not s.is_archived group by s.pbx
), begins as (
    -- what was before a join is in an archive, and what changed up to it cannot be told from what stayed
    select s.pbx, max(s.snapshot_id) as snapshot_id
    from {schema}snapshots s
    where s.status = 'join' and s._dlt_load_id in {finished_loads}
    group by s.pbx
), changed as (
    select
        v.pbx,
        v.device_id,
        v.snapshot_id,
        v.observed_at,
        s.previous_at,
        v.change,
        case when v.change in ('changed', 'refreshed') then v.changed_fields else '[null]' end as fields
    from {schema}device_versions v
    join {steps} s on s.pbx = v.pbx and s.device_id = v.device_id and s.observed_at = v.observed_at
    left join begins b on b.pbx = v.pbx
    where v.change <> 'rebaselined' and (b.pbx is null or v.snapshot_id > b.snapshot_id)
), named as (
    select n.*, {field} as field
    from changed n {each_field}
), compared as (
    -- the old value alone: whole rows, `extra` in them, would have to fit into memory
    select
        n.pbx,
        n.device_id,
        n.snapshot_id,
        n.observed_at,
        n.change,
        n.field,
        case
            {values:o}
        end as old_value
    from named n
    left join {schema}device_versions o
        on o.pbx = n.pbx and o.device_id = n.device_id and o.observed_at = n.previous_at
), valued as (
    select
        n.*,
        case
            {values:v}
        end as new_value,
        {columns:v}
    from compared n
    join {schema}device_versions v
        on v.pbx = n.pbx and v.device_id = n.device_id and v.observed_at = n.observed_at
        and v.snapshot_id = n.snapshot_id
), unfolded as (
    select
        n.observed_at as changed_at,
        n.pbx,
        n.device_id,
        n.snapshot_id,
        n.change,
        n.field,
        case
            when n.field is null then 'lifecycle'
            when n.change = 'refreshed' then 'presence'
            {categories}
            else 'other'
        end as category,
        n.old_value,
        n.new_value,
        {columns:n}
    from valued n
), loaded as (
    select
        u.*,
        row_number() over (
            partition by u.changed_at, u.pbx, u.device_id, u.snapshot_id, u.change, u.field, u.category
            order by u.changed_at
        ) as copy_number
    from unfolded u
)
select
    c.changed_at,
    cast(c.changed_at at time zone 'UTC' as date) as changed_on,
    c.pbx,
    c.device_id,
    c.pbx || '/' || cast(c.device_id as varchar) || '/' || c.snapshot_id as update_id,
    c.change,
    f.snapshot_id is not null as is_initial_load,
    c.field,
    c.category,
    c.old_value,
    c.new_value,
    {columns:c}
from loaded c
left join first f on f.pbx = c.pbx and f.snapshot_id = c.snapshot_id
where c.copy_number = 1
