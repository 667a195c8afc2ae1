-- a PBX whose last complete snapshot is too old or of the future, or that has none; only a warning, because the data is still right
{{ config(severity='warn') }}
select s.pbx, s.last_complete_at, s.last_status, s.last_reason
from {{ source('threecx', 'pbx_status') }} s
where s.last_complete_at is null
    or s.last_complete_at < current_timestamp - interval '1' hour * {{ var('max_age_hours') }}
    or s.last_complete_at > current_timestamp + interval '1' hour
