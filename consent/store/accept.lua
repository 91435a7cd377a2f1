-- Accept a request: the consent, the notification it owes and the counters, or nothing at all.
--
-- KEYS  1 consent  2 person  3 addresses of the person  4 open of the person
--       5 recent of the person  6 opened of the partition  7 outbox  8 story of the consent
-- ARGV  1 consent_id  2 client_id  3 person_id  4 request (JSON)  5 life in seconds
--       6 poll interval in seconds  7 requests a minute of one person, at most
--       8 open requests of one person, at most  9 open requests of the partition, at most
--       10 retention in seconds  11 ms after which a sweeper may claim the notification
--       12 initial state
-- Reply {'accepted'} | {'unknown_user'} | {'blocked'} | {'no_device'}
--       | {'too_many_recent' | 'too_many_open' | 'tenant_full', ms until it may be tried again}

local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 1 then return {'accepted'} end  -- the same call, repeated

local known = redis.call('HMGET', KEYS[2], 'user', 'blocked')
if not known[1] then return {'unknown_user'} end
if known[2] then return {'blocked'} end
if redis.call('HLEN', KEYS[3]) == 0 then return {'no_device'} end

local function full(key, gone, most, life)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', gone)
  if redis.call('ZCARD', key) < tonumber(most) then return false end
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return math.max(1, first[2] + life - now)
end

local wait = full(KEYS[5], now - 60000, ARGV[7], 60000)
if wait then return {'too_many_recent', wait} end
wait = full(KEYS[4], now, ARGV[8], 0)
if wait then return {'too_many_open', wait} end
wait = full(KEYS[6], now, ARGV[9], 0)
if wait then return {'tenant_full', wait} end

local deadline = now + ARGV[5] * 1000
redis.call('HSET', KEYS[1], 'state', ARGV[12], 'client', ARGV[2], 'person', ARGV[3],
  'created_at', now, 'expires_at', deadline, 'interval', ARGV[6], 'attempts', 0)
redis.call('SET', KEYS[8], ARGV[4])
redis.call('PEXPIREAT', KEYS[1], deadline + ARGV[10] * 1000)
redis.call('PEXPIREAT', KEYS[8], deadline + ARGV[10] * 1000)
redis.call('ZADD', KEYS[4], deadline, ARGV[1])
if redis.call('PTTL', KEYS[4]) < deadline + 1000 - now then
  redis.call('PEXPIREAT', KEYS[4], deadline + 1000)
end
redis.call('ZADD', KEYS[5], now, ARGV[1])
redis.call('PEXPIRE', KEYS[5], 60000)
redis.call('ZADD', KEYS[6], deadline, ARGV[1])
redis.call('ZADD', KEYS[7], now + ARGV[11], ARGV[1])
return {'accepted'}
