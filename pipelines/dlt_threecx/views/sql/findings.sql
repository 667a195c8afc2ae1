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
    select v.pbx, v.device_id, v.observed_at, {columns:v},
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
), asked as materialized (
    -- each phone once for every rule that may name it; such a group DuckDB takes for small, and joins the log to it
    select p.rule, p.pbx, p.device_id, max(p.observed_at) as observed_at{of_phone}
    from (
        {asked}
    ) p
    group by p.rule, p.pbx, p.device_id
), past as materialized (
    -- a phone that only went on or off line is to most rules as it was before; its last version counts in any case,
    -- because what changed in an archive may be seen in that one alone
    select
        p.rule,
        p.pbx,
        p.device_id,
        v.observed_at,
        case when v.change = 'removed' or (case p.rule {conditions} end) is not true then v.observed_at end as without_at
    from {log:shown} v
    join asked p on p.pbx = v.pbx and p.device_id = v.device_id
    where v.change <> 'refreshed' or v.changed_fields <> '["online"]' or v.observed_at = p.observed_at{of_presence}
), last_without as (
    select p.rule, p.pbx, p.device_id, max(p.without_at) as without_at
    from past p
    group by p.rule, p.pbx, p.device_id
), began as (
    -- `min(p.rule)`: else DuckDB compares the number of each rule with every row of the past
    select min(p.rule) as rule, p.pbx, p.device_id, min(p.observed_at) as since
    from past p
    join last_without w on w.rule = p.rule and w.pbx = p.pbx and w.device_id = p.device_id
    where w.without_at is null or p.observed_at > w.without_at
    group by p.rule, p.pbx, p.device_id
), lasting as materialized (
    select p.*, b.rule, b.since
    from began b
    join phones p on p.pbx = b.pbx and p.device_id = b.device_id
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
