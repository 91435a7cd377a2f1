-- What is pending for a device's person, and what became of what the device was told: the pull for
-- a phone that missed its push, and every step of a stream.
--
-- KEYS  1 devices of the person  2 proof  3 open of the person  4 the prefix 'P:consent:'
--       5 person
-- ARGV  1 device_id  2 thumbprint of the key that signed the proof  3 ms a proof is remembered
--       4 operation id, '' where the proof was shown before  5 how many at most
--       6 person_id  7 state of what is open, then the ids that were told as pending
-- Reply {'unknown_device'} | {'replayed'}
--       | {'pending', now, 1 while the person may be asked,
--          {consent_id, created_at, expires_at, ...}, the newest first,
--          {state, expires_at, ...}, for each that was told: 'expired' once it has, or is forgotten}

local device = redis.call('HGET', KEYS[1], ARGV[1])
if not device or string.sub(device, 1, 43) ~= ARGV[2] then return {'unknown_device'} end
if ARGV[4] ~= '' and not redis.call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[3])
  and redis.call('GET', KEYS[2]) ~= ARGV[4] then
  return {'replayed'}
end
local now = now_ms()
local pending, told = {}, {}
local open = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. now, '+inf')
for i = #open, math.max(1, #open - ARGV[5] + 1), -1 do
  local c = redis.call('HMGET', KEYS[4] .. open[i], 'created_at', 'expires_at')
  if c[1] then
    table.insert(pending, open[i])
    table.insert(pending, c[1])
    table.insert(pending, c[2])
  end
end
for i = 8, #ARGV do
  local c = redis.call('HMGET', KEYS[4] .. ARGV[i], 'state', 'expires_at', 'person')
  local state = c[3] == ARGV[6] and c[1] or 'expired'
  if state == ARGV[7] and now >= tonumber(c[2]) then state = 'expired' end
  table.insert(told, state)
  table.insert(told, state == 'expired' and 0 or c[2])
end
return {'pending', now, person_stands(KEYS[5]) and 1 or 0, pending, told}
