-- A phone asks what is being asked. Its proof is used up by the asking.
--
-- KEYS  1 consent  2 devices of the person, or the mailbox of the consent  3 proof  4 stats
--       5 story of the consent
-- ARGV  1 person_id  2 device_id  3 thumbprint of the key that signed the proof
--       4 ms a proof is remembered  5 operation id  6 state in which there is a question
-- Reply {'unknown_device'} | {'replayed'} | {'unknown'} | {'over'} | {'expired'}
--       | {'question', story, created_at, expires_at}

local device = redis.call('HGET', KEYS[2], ARGV[2])
if not device or string.sub(device, 1, 43) ~= ARGV[3] then return {'unknown_device'} end
if not redis.call('SET', KEYS[3], ARGV[5], 'NX', 'PX', ARGV[4])
  and redis.call('GET', KEYS[3]) ~= ARGV[5] then
  return {'replayed'}
end
local c = redis.call('HMGET', KEYS[1], 'state', 'person', 'expires_at', 'created_at',
  'handed_over_at')
if not c[1] or c[2] ~= ARGV[1] then return {'unknown'} end
if c[1] ~= ARGV[6] then return {'over'} end
local now = now_ms()
if now >= tonumber(c[3]) then return {'expired'} end
if redis.call('HSETNX', KEYS[1], 'fetched_at', now) == 1 and c[5] then
  observe(KEYS[4], 'handed_over_to_fetched', now - c[5])
end
return {'question', redis.call('GET', KEYS[5]), c[4], c[3]}
