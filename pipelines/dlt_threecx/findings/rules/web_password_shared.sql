-- title: Web password that other phones have, too
-- severity: high
-- reason: Whoever reads it on one phone can change the settings of all of them.
-- action: Create a new one for each phone in the console.
select o.pbx, o.device_id, 'the same on ' || o.phones || ' phones' as detail,
    greatest(o.since, max(case when o.place = 2 then o.since end) over (partition by o.phone_web_password_fp)) as since
from (
    select p.*,
        count(*) over (partition by p.phone_web_password_fp) as phones,
        row_number() over (partition by p.phone_web_password_fp order by p.since, p.pbx, p.device_id) as place
    from {while v.phone_web_password_fp = p.phone_web_password_fp where p.phones_of_password > 1} p
) o
where o.phones > 1
