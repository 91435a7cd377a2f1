-- Where a request stands for its client and, once it is approved, what was asked and how a device
-- answered. Nothing is paced or used up.
--
-- KEYS  1 consent  2 story of the consent  3 receipt of the consent
-- ARGV  1 client_id  2 ms since which this is the client; what is older was asked by another of its id
--       3 state of what is open  4 state of what is approved  5 state of what is redeemed
-- Reply {'unknown'} | {'pending'} | {'expired'} | {'denied'} | {'unreachable'} | {'cancelled'}
--       | {'unsigned'}: approved, and no device's answer was kept
--       | {'approved', story, created_at, expires_at, decided_at, receipt (JSON)}

local c = redis.call('HMGET', KEYS[1], 'state', 'client', 'created_at', 'expires_at', 'decided_at')
local state = c[1]
if not state or c[2] ~= ARGV[1] or tonumber(c[3]) < tonumber(ARGV[2]) then return {'unknown'} end
if state == ARGV[3] then return {now_ms() < tonumber(c[4]) and 'pending' or 'expired'} end
if state ~= ARGV[4] and state ~= ARGV[5] then return {state} end
local receipt = redis.call('GET', KEYS[3])
if not receipt or receipt == '' then return {'unsigned'} end
return {'approved', redis.call('GET', KEYS[2]), c[3], c[4], c[5], receipt}
