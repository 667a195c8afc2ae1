-- the last day of the inventory and the list of phones are the same phones
with today as (
    select i.pbx, sum(i.devices) as devices
    from {{ ref('inventory_by_day') }} i
    where i.day = (select max(l.day) from {{ ref('inventory_by_day') }} l where l.pbx = i.pbx)
    group by i.pbx
), listed as (
    select p.pbx, count(*) as devices from {{ ref('phones') }} p group by p.pbx
)
select t.pbx, t.devices, l.devices as listed
from today t
left join listed l on l.pbx = t.pbx
where t.devices <> coalesce(l.devices, 0)
