-- What is pending for a device's person: the pull for a phone that missed its push.
--
-- KEYS  1 devices of the person  2 proof  3 open of the person  4 the prefix 'P:consent:'
-- ARGV  1 device_id  2 thumbprint of the key that signed the proof  3 ms a proof is remembered
--       4 operation id  5 how many at most
-- Reply {'unknown_device'} | {'replayed'}
--       | {'pending', now, consent_id, created_at, expires_at, ...}, the newest first

local device = redis.call('HGET', KEYS[1], ARGV[1])
if not device or string.sub(device, 1, 43) ~= ARGV[2] then return {'unknown_device'} end
if not redis.call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[3])
  and redis.call('GET', KEYS[2]) ~= ARGV[4] then
  return {'replayed'}
end
local now = now_ms()
local pending = {'pending', now}
local open = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. now, '+inf')
for i = #open, math.max(1, #open - ARGV[5] + 1), -1 do
  local c = redis.call('HMGET', KEYS[4] .. open[i], 'created_at', 'expires_at')
  if c[1] then
    table.insert(pending, open[i])
    table.insert(pending, c[1])
    table.insert(pending, c[2])
  end
end
return pending
