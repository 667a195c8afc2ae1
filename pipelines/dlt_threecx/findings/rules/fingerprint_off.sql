-- title: Password changes are not recorded
-- severity: info
-- reason: Without a fingerprint_key nobody can see that a web password was changed, or that phones share one.
-- action: Set fingerprint_key in .dlt/secrets.toml to a long random text, and keep it.
select l.pbx, cast(null as bigint) as device_id, 'no fingerprint_key' as detail,
    min(case when l.last_with is null or l.taken_at > l.last_with then l.taken_at end) as since
from (
    select s.pbx, s.taken_at, max(s.taken_at) over (partition by s.pbx) as latest,
        max(case when s.fingerprint_key_id is not null then s.taken_at end) over (partition by s.pbx) as last_with
    from {schema}snapshots s
    join finished c on c.pbx = s.pbx and c.snapshot_id = s.snapshot_id
) l
where l.last_with is null or l.last_with < l.latest
group by l.pbx
