-- title: Redirection entry that ends within 30 days
-- severity: low
-- reason: After that day a phone that is reset no longer finds its PBX by itself.
-- action: Provision the phone again; that renews the entry at its maker.
select p.pbx, p.device_id, greatest(p.since, p.rps_expires_at - interval '30 days') as since,
    case when p.rps_expires_at <= current_timestamp then 'ended on ' else 'ends on ' end
        || strftime(p.rps_expires_at at time zone 'UTC', '%Y-%m-%d') as detail
from {while v.rps_expires_at = p.rps_expires_at where p.rps_expires_at < current_timestamp + interval '30 days'} p
