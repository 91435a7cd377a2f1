-- Claim the notification of one consent under a lease: pending, owed, and leased to nobody? Who
-- may not answer any more is not rung (T39).
--
-- The lease is the outbox entry itself, moved into the future: a worker that dies lets it come
-- due again. A first attempt may be claimed at once; every later one when it is due.
--
-- A request with channels uses as many of them as it has reached: one more when its time has come
-- and nobody has looked at it (auth0-wire 1.5).
--
-- KEYS  1 consent  2 outbox  3 the prefix 'P:addresses:'
-- ARGV  1 consent_id  2 lease in ms  3 state in which a person is notified  4 operation id
-- Reply {'nothing'} | {'leased'}
--       | {'claimed', attempt, created_at, expires_at, now, person_id, client_id,
--          device_id, address, ...}

local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not due then return {'nothing'} end
local now = now_ms()
local c = redis.call('HMGET', KEYS[1], 'state', 'expires_at', 'attempts', 'person', 'created_at',
  'leased_by', 'client', 'channels', 'reached', 'widens_at', 'fetched_at')
local person = string.match(KEYS[1], '^nod:{%x+}') .. ':person:' .. (c[4] or '')
if c[1] ~= ARGV[3] or now >= tonumber(c[2]) or not person_stands(person, c[5]) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {'nothing'}
end
local attempt = tonumber(c[3])
if c[6] ~= ARGV[4] then  -- not the same call, repeated
  if attempt > 0 and now < tonumber(due) then return {'leased'} end
  attempt = attempt + 1
  redis.call('HSET', KEYS[1], 'attempts', attempt, 'leased_by', ARGV[4])
  redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
  if c[10] and now >= tonumber(c[10]) then
    redis.call('HDEL', KEYS[1], 'widens_at')
    if not c[11] then c[9] = redis.call('HINCRBY', KEYS[1], 'reached', 1) end
  end
end
local claimed = {'claimed', attempt, c[5], c[2], now, c[4], c[7]}
local function add(device_id, address)
  if redis.call('HEXISTS', KEYS[1], 'told:' .. device_id) == 0 then
    table.insert(claimed, device_id)
    table.insert(claimed, address)
  end
end
local reached = tonumber(c[9] or 1)
for channel in string.gmatch(c[8] or 'push', '%a+') do
  if reached < 1 then break end
  reached = reached - 1
  if channel == 'push' then
    local addresses = redis.call('HGETALL', KEYS[3] .. c[4])
    for i = 1, #addresses, 2 do add(addresses[i], addresses[i + 1]) end
  else
    local address = verified_email(redis.call('HGET', person, 'user'))
    if address then add('email', '0 ' .. cjson.encode({'email', address})) end
  end
end
return claimed
