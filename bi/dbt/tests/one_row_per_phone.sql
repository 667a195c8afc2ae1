select pbx, device_id, count(*) as copies
from {{ ref('phones') }}
group by pbx, device_id
having count(*) > 1
