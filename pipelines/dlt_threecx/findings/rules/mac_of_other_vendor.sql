-- title: MAC address of another maker
-- severity: medium
-- reason: The address belongs to another maker than the phone names. The phone is not what it says, or its address is
-- made up. Only the address ranges of the usual makers are known, from the IEEE registry of October 2026.
-- action: Look at the phone.
select p.pbx, p.device_id, p.since, p.vendor || ' with ' || p.mac || ', which belongs to ' || m.maker as detail
from {while v.mac = p.mac and v.vendor = p.vendor} p
join (
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
) m(prefix, maker) on m.prefix = substr(p.mac, 1, 6)
where p.vendor <> ''
    and strpos(lower(p.vendor), lower(m.maker)) = 0
    and lower(p.vendor) in (
        'snom', 'poly', 'polycom', 'grandstream', 'yealink', 'htek', 'gigaset', 'sangoma', 'patton', 'akuvox', 'fanvil'
    )
