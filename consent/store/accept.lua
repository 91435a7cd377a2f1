-- Accept a request: the consent, the notification it owes and the counters, or nothing at all.
--
-- KEYS  1 consent  2 person  3 addresses of the person  4 open of the person
--       5 recent of the person  6 opened of the partition  7 outbox  8 story of the consent
--       9 accepted of the partition
-- ARGV  1 consent_id  2 client_id  3 person_id  4 request (JSON)  5 life in seconds
--       6 poll interval in seconds  7 requests a minute of one person, at most
--       8 open requests of one person, at most  9 open requests of the partition, at most
--       10 retention in seconds  11 ms after which a sweeper may claim the notification
--       12 initial state, and, where they matter:
--       13 how the client hears of the end: 'poll', 'ping' or 'push'
--       14 what it takes to call the client back (sealed), or ''
--       15 MAC of the user_code, '' when none was sent, '-' when the client uses none
--       16 wrong codes of one person, at most  17 ms no code is listened to after that
--       18 lives of the refresh token in ms ("<absolute> <idle>"), or ''
--       19 thumbprint the tokens of a push are bound to, or ''
--       20 ms after the deadline in which the client may still be called
--       21 connections of the people a third party may ask ("\n<name>\n<name>\n"), or '' for all
-- Reply {'accepted'} | {'unknown_user'} | {'blocked'} | {'no_device'}
--       | {'missing_user_code'} | {'invalid_user_code'}
--       | {'user_code_locked' | 'too_many_recent' | 'too_many_open' | 'tenant_full', ms until it
--       may be tried again}

local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 1 then return {'accepted'} end  -- the same call, repeated

local known = redis.call('HMGET', KEYS[2], 'user', 'blocked', 'code')
if not known[1] then return {'unknown_user'} end
if ARGV[21] and ARGV[21] ~= '' then
  local connection = cjson.decode(known[1]).connection or 'users'
  if not string.find(ARGV[21], '\n' .. connection .. '\n', 1, true) then return {'unknown_user'} end
end
if known[2] then return {'blocked'} end
if known[3] and ARGV[15] and ARGV[15] ~= '-' then
  local code = redis.call('HMGET', KEYS[2], 'code_locked_until', 'code_failures', 'code_failed_by')
  if code[3] == ARGV[1] then return {'invalid_user_code'} end  -- the same call, repeated
  if code[1] and now < tonumber(code[1]) then return {'user_code_locked', code[1] - now} end
  if ARGV[15] == '' then return {'missing_user_code'} end
  if ARGV[15] ~= known[3] then
    local failures = (code[2] or 0) + 1
    if failures >= tonumber(ARGV[16]) then
      redis.call('HSET', KEYS[2], 'code_locked_until', now + ARGV[17])
      failures = 0
    end
    redis.call('HSET', KEYS[2], 'code_failures', failures, 'code_failed_by', ARGV[1])
    return {'invalid_user_code'}
  end
  redis.call('HDEL', KEYS[2], 'code_locked_until', 'code_failures', 'code_failed_by')
end
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
if ARGV[13] then
  if ARGV[13] ~= 'poll' then
    redis.call('HSET', KEYS[1], 'mode', ARGV[13])
    local callback = string.gsub(KEYS[1], ':consent:', ':callback:', 1)
    redis.call('SET', callback, ARGV[14], 'PXAT', deadline + ARGV[20])
  end
  if ARGV[18] ~= '' then redis.call('HSET', KEYS[1], 'refresh', ARGV[18]) end
  if ARGV[19] ~= '' then redis.call('HSET', KEYS[1], 'cnf', ARGV[19]) end
end
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
redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', now)
redis.call('ZADD', KEYS[9], deadline + ARGV[10] * 1000, ARGV[1])
record(KEYS[1], 'ciba_start_succeeded', 'consent', ARGV[1], 'client', ARGV[2], 'person', ARGV[3])
return {'accepted'}
