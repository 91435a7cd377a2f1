-- Accept a request: the consent, the notification it owes and the counters, or nothing at all.
--
-- KEYS  1 consent  2 person  3 addresses of the person  4 open of the person
--       5 recent of the person  6 opened of the partition  7 outbox  8 story of the consent
--       9 accepted of the partition  10 refusals of the person
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
--       22 channels it may use, in order ('push', 'email', 'mailbox'), or '' for push alone
--       23 capability a device must have to approve, or ''
--       24 requests of one person that may be written about in an hour, at most
-- Reply {'accepted'} | {'unknown_user'} | {'blocked'} | {'no_device'} | {'no_able_device'}
--       | {'missing_user_code'} | {'invalid_user_code'}
--       | {'user_code_locked' | 'too_many_recent' | 'too_many_open' | 'tenant_full' | 'denied_before'
--       | 'not_me' | 'too_many_mails', ms until it may be tried again}

local LONGEST_BY_PUSH_MS = 300000  -- policy.REQUESTED_EXPIRY_SECONDS_MAX

local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 1 then return {'accepted'} end  -- the same call, repeated

local known = redis.call('HMGET', KEYS[2], 'user', 'blocked', 'code')
if not known[1] then return {'unknown_user'} end
if ARGV[21] and ARGV[21] ~= '' then
  local connection = cjson.decode(known[1]).connection or 'users'
  if not string.find(ARGV[21], '\n' .. connection .. '\n', 1, true) then return {'unknown_user'} end
end
if known[2] then return {'blocked'} end
local refusal = redis.call('HGET', KEYS[10], ARGV[2])  -- T1
if refusal then
  local over_at, _, why = string.match(refusal, '^(%d+) (%d+) ([%w_]+)$')
  if now < tonumber(over_at) then return {why, over_at - now} end
end
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

-- Ms until there is room in a sorted set of times, or false: there is.
local function full(key, gone, most, life)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', gone)
  if redis.call('ZCARD', key) < tonumber(most) then return false end
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return math.max(1, first[2] + life - now)
end

-- The channels by which this person can be told: who cannot be rung may be written to. A link opens
-- the page of a device they have, unless reading the mailbox is enough (auth0-wire 1.5). Nobody is
-- written to without end (T1).
local channels, mailed, written_to = ARGV[22] or '', '', false
local rung = redis.call('HLEN', KEYS[3]) > 0
local function devices() return (string.gsub(KEYS[3], ':addresses:', ':devices:', 1)) end
if channels == '' then
  if not rung then return {'no_device'} end
else
  local usable, address, too_many = {}, verified_email(known[1]), false
  mailed = string.gsub(KEYS[3], ':addresses:', ':mailed:', 1)
  for channel in string.gmatch(channels, '%a+') do
    if channel == 'push' then
      if rung then table.insert(usable, channel) end
    elseif address and (channel == 'mailbox' or redis.call('EXISTS', devices()) == 1) then
      too_many = full(mailed, now - 3600000, ARGV[24], 3600000)
      if not too_many then
        table.insert(usable, channel)
        written_to = true
      end
    end
  end
  if #usable == 0 then return too_many and {'too_many_mails', too_many} or {'no_device'} end
  channels = table.concat(usable, ' ')
end

-- What no device of theirs could approve is not asked (T44); the page of a mailbox can do it all.
local function is_able(capability)
  if string.find(channels, 'mailbox', 1, true) then return true end
  for _, device in ipairs(redis.call('HVALS', devices())) do
    for _, able in ipairs(cjson.decode(string.sub(device, 44)).capabilities or {}) do
      if able == capability then return true end
    end
  end
  return false
end

if ARGV[23] and ARGV[23] ~= '' and not is_able(ARGV[23]) then return {'no_able_device'} end

local wait = full(KEYS[5], now - 60000, ARGV[7], 60000)
if wait then return {'too_many_recent', wait} end
-- What waits for days has places of its own: it keeps nobody out who asks for minutes.
local soon = now + LONGEST_BY_PUSH_MS
local is_long = now + ARGV[5] * 1000 > soon
local from, to = is_long and '(' .. soon or '-inf', is_long and '+inf' or soon
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
if redis.call('ZCOUNT', KEYS[4], from, to) >= tonumber(ARGV[8]) then
  local first = redis.call('ZRANGEBYSCORE', KEYS[4], from, to, 'WITHSCORES', 'LIMIT', 0, 1)
  return {'too_many_open', math.max(1, first[2] - now)}
end
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
  if channels ~= '' then redis.call('HSET', KEYS[1], 'channels', channels, 'reached', 1) end
end
redis.call('PEXPIREAT', KEYS[1], deadline + ARGV[10] * 1000)
redis.call('PEXPIREAT', KEYS[8], deadline + ARGV[10] * 1000)
redis.call('ZADD', KEYS[4], deadline, ARGV[1])
if redis.call('PTTL', KEYS[4]) < deadline + 1000 - now then
  redis.call('PEXPIREAT', KEYS[4], deadline + 1000)
end
if written_to then
  redis.call('ZADD', mailed, now, ARGV[1])
  redis.call('PEXPIRE', mailed, 3600000)
end
redis.call('ZADD', KEYS[5], now, ARGV[1])
redis.call('PEXPIRE', KEYS[5], 60000)
redis.call('ZADD', KEYS[6], deadline, ARGV[1])
redis.call('ZADD', KEYS[7], now + ARGV[11], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', now)
redis.call('ZADD', KEYS[9], deadline + ARGV[10] * 1000, ARGV[1])
record(KEYS[1], 'ciba_start_succeeded', 'consent', ARGV[1], 'client', ARGV[2], 'person', ARGV[3])
stir(ARGV[3])
return {'accepted'}
