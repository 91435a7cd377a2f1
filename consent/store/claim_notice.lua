-- Claim the notice that a device was added, under a lease: is it still there, and others with it?
--
-- The lease is the entry itself, moved into the future, as that of a notification. What a notice
-- remembers begins with its first claim, which finds it due since the device was enrolled.
--
-- KEYS  1 notices  2 notice  3 devices  4 addresses  5 person
-- ARGV  1 device_id of the one that was added  2 lease in ms  3 life of a notice in ms
--       4 operation id
-- Reply {'nothing'} | {'leased'}
--       | {'claimed', attempt, expires_at, now, device_id, address, ...}

local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return {'nothing'} end
local now = now_ms()
local n = redis.call('HMGET', KEYS[2], 'expires_at', 'attempts', 'leased_by')
local expires_at = tonumber(n[1] or due + ARGV[3])
local user = redis.call('HGET', KEYS[5], 'user')
if now >= expires_at or not user or redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0
  or redis.call('HLEN', KEYS[3]) < 2 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return {'nothing'}
end
local attempt = tonumber(n[2] or 0)
if n[3] ~= ARGV[4] then  -- not the same call, repeated
  if now < tonumber(due) then return {'leased'} end
  attempt = attempt + 1
  redis.call('HSET', KEYS[2], 'expires_at', expires_at, 'attempts', attempt, 'leased_by', ARGV[4])
  redis.call('PEXPIREAT', KEYS[2], expires_at + ARGV[2])
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
local claimed = {'claimed', attempt, expires_at, now}
local function add(device_id, address)
  if device_id ~= ARGV[1] and redis.call('HEXISTS', KEYS[2], 'told:' .. device_id) == 0 then
    table.insert(claimed, device_id)
    table.insert(claimed, address)
  end
end
local addresses = redis.call('HGETALL', KEYS[4])
for i = 1, #addresses, 2 do add(addresses[i], addresses[i + 1]) end
local email = verified_email(user)
if email then add('email', '0 ' .. cjson.encode({'email', email})) end
return claimed
