-- A device's verified answer: pending -> approved | denied, once.
--
-- KEYS  1 consent  2 devices of the person  3 person  4 open of the person  5 opened  6 outbox
--       7 stats  8 story of the consent
-- ARGV  1 consent_id  2 person_id  3 device_id  4 thumbprint of the key that signed
--       5 state that is answered  6 state it becomes  7 fact (JSON)
--       8 the state that may follow the one it becomes  9 ms after which a sweeper may call
-- Reply {'answered'} | {'call'}: and the client is to be called back | {'repeated'}
--       | {'conflict'} | {'expired'} | {'unknown'} | {'unknown_device'} | {'blocked'}

local device = redis.call('HGET', KEYS[2], ARGV[3])
if not device or string.sub(device, 1, 43) ~= ARGV[4] then return {'unknown_device'} end
local c = redis.call('HMGET', KEYS[1], 'state', 'person', 'expires_at', 'fetched_at',
  'created_at', 'client')
if not c[1] or c[2] ~= ARGV[2] then return {'unknown'} end
if c[1] == ARGV[6] or c[1] == ARGV[8] then return {'repeated'} end
if c[1] ~= ARGV[5] then return {'conflict'} end
local now = now_ms()
if now >= tonumber(c[3]) then return {'expired'} end
if not person_stands(KEYS[3], c[5]) then return {'blocked'} end

redis.call('HSET', KEYS[1], 'state', ARGV[6], 'decided_at', now, 'decided_by', ARGV[3])
tell(KEYS[8], now, ARGV[7])
record(KEYS[1], ARGV[6] == 'denied' and 'gd_auth_rejected' or 'gd_auth_succeed', 'consent', ARGV[1],
  'client', c[6], 'person', ARGV[2], 'device', ARGV[3], 'e', ARGV[7])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
if c[4] then observe(KEYS[7], 'fetched_to_decided', now - c[4]) end
if decided(string.match(KEYS[1], '^nod:{%x+}'), ARGV[1], now + ARGV[9]) then return {'call'} end
return {'answered'}
