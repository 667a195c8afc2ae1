-- title: Phone at a public address
-- severity: high
-- reason: Its web page and its SIP port can be reached from everywhere, unless a firewall stands before it. Phones
-- that are provisioned as remote ones are left out.
-- action: Move it behind a firewall or an SBC, or register it as a remote phone.
select p.pbx, p.device_id, p.since, p.ip_address as detail
from {while coalesce(v.prov_type, '') not like 'RemoteExt%' and (
    regexp_matches(v.ip_address, '^[23][0-9A-Fa-f]+:')
    or regexp_matches(v.ip_address, '^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+(:|$)')
    and not regexp_matches(v.ip_address, '^(0|10|127|22[4-9]|2[3-5][0-9]|169[.]254|192[.]168)[.]')
    and not regexp_matches(v.ip_address, '^172[.](1[6-9]|2[0-9]|3[01])[.]')
    and not regexp_matches(v.ip_address, '^100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])[.]')
)} p
