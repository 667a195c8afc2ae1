-- one row per rule and device that it finds; a finding about a whole PBX has no device
with finished as materialized (
    select c.pbx, c.snapshot_id, c.taken_at from {schema}complete_snapshots c where not c.is_archived
), shown as materialized (
    select c.pbx, c.snapshot_id from {schema}complete_snapshots c
), latest as materialized (
    select v.pbx, v.device_id, v.observed_at, v.change, {columns:v} from {latest_versions:shown} v
), makers as (
    -- the address ranges of the usual makers, from the IEEE registry of October 2026
    select m.prefix, m.maker
    from (
        values
            ('000413', 'Snom'), ('1C7126', 'Snom'),
            ('0004F2', 'Poly'), ('482567', 'Poly'), ('64167F', 'Poly'),
            ('000B82', 'Grandstream'), ('144CFF', 'Grandstream'), ('C074AD', 'Grandstream'), ('EC74D7', 'Grandstream'),
            ('001565', 'Yealink'), ('249AD8', 'Yealink'), ('3497D7', 'Yealink'), ('44DBD2', 'Yealink'),
            ('644F56', 'Yealink'), ('805E0C', 'Yealink'), ('805EC0', 'Yealink'), ('B061A9', 'Yealink'),
            ('C4FC22', 'Yealink'), ('EC1DA9', 'Yealink'), ('F01653', 'Yealink'),
            ('001FC1', 'Htek'),
            ('002104', 'Gigaset'), ('14B370', 'Gigaset'), ('589EC6', 'Gigaset'), ('7C2F80', 'Gigaset'),
            ('005058', 'Sangoma'),
            ('00A0BA', 'Patton'),
            ('0C1105', 'Akuvox'),
            ('0C383E', 'Fanvil')
    ) as m(prefix, maker)
), gone as (
    select v.pbx, v.device_id, v.observed_at as removed_at, {columns:v}
    from latest v
    where v.change = 'removed'
), there as (
    select v.pbx, v.device_id, {columns:v},
        case
            when coalesce(v.sbc_name, '') = ''
                and regexp_matches(v.ip_address, '^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+(:[0-9]+)?$')
            then regexp_replace(v.ip_address, '[^.]*$', '')
        end as subnet,
        m.maker
    from latest v
    left join makers m on m.prefix = substr(v.mac, 1, 6)
    where v.change <> 'removed'
), alike as materialized (
    -- what several rules ask first, so that they look into the past of a few phones only
    select a.*,
        count(a.phones_of_subnet) over (partition by a.pbx) as phones_in_subnets,
        avg(case when a.phones_of_subnet >= 5 then 1.0 when a.phones_of_subnet < 5 then 0.0 end)
            over (partition by a.pbx) as share_with_neighbours
    from (
        select p.pbx, p.device_id,
            count(*) over (partition by p.pbx, p.dn_number) as phones_of_number,
            count(*) over (partition by p.pbx, p.mac) as entries_of_mac,
            count(*) over (partition by p.mac) as entries_of_mac_anywhere,
            count(*) over (partition by p.phone_web_password_fp) as phones_of_password,
            count(*) over (partition by p.pbx, p.vendor, p.model) as phones_of_model,
            count(*) over (partition by p.pbx, p.vendor, p.model, p.firmware_version) as phones_of_firmware,
            case when p.subnet is not null then count(*) over (partition by p.pbx, p.subnet) end as phones_of_subnet
        from there p
    ) a
), phones as materialized (
    select p.*, a.phones_of_number, a.entries_of_mac, a.entries_of_mac_anywhere, a.phones_of_password,
        a.phones_of_model, a.phones_of_firmware, a.phones_of_subnet, a.phones_in_subnets, a.share_with_neighbours
    from there p
    join alike a on a.pbx = p.pbx and a.device_id = p.device_id
), holds as materialized (
    select p.*, {holds}
    from phones p
), asked as materialized (
    select p.* from holds p where {asked}
), last_without as materialized (
    select v.pbx, v.device_id, {last_without}
    from {log:shown} v
    join asked p on p.pbx = v.pbx and p.device_id = v.device_id
    group by v.pbx, v.device_id
    having count(*) > 0  -- always so, but DuckDB then expects few rows, and joins the log to them, not them to the log
), began as materialized (
    select v.pbx, v.device_id, {began}
    from {log:shown} v
    join last_without w on w.pbx = v.pbx and w.device_id = v.device_id
    group by v.pbx, v.device_id
), lasting as materialized (
    select p.*, {since}
    from phones p
    left join began b on b.pbx = p.pbx and b.device_id = p.device_id
), found as (
{rules}
), words as (
    select w.rule, w.title, w.severity, w.severity_rank, w.why, w.what_to_do
    from (values
        {words}
    ) as w(rule, title, severity, severity_rank, why, what_to_do)
), known as (
    select d.pbx, d.device_id, {columns:d} from phones d
    union all
    select d.pbx, d.device_id, {columns:d} from gone d
)
select
    f.rule,
    w.title,
    w.severity,
    w.severity_rank,
    f.pbx,
    f.device_id,
    f.detail,
    f.since,
    w.why,
    w.what_to_do,
    {columns:d}
from found f
join words w on w.rule = f.rule
left join known d on d.pbx = f.pbx and d.device_id = f.device_id
