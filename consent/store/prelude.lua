-- In front of every script: the clock, and the histograms of /metrics.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Upper bounds in milliseconds; `api.metrics` knows the same list.
local BOUNDS = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 120000, 300000}

local function observe(stats, name, ms)
  local bound = 'inf'
  for _, upper in ipairs(BOUNDS) do
    if ms <= upper then bound = upper break end
  end
  redis.call('HINCRBY', stats, name .. ':' .. bound, 1)
  redis.call('HINCRBY', stats, name .. ':sum', ms)
end

-- A line more in the story of a consent. Not APPEND: it reserves as much again as is there.
local function tell(story, now, fact)
  local told = redis.call('GET', story)
  if told then redis.call('SET', story, told .. '\n' .. now .. ' ' .. fact, 'KEEPTTL') end
end

-- Whether a person may be asked and answered for: known, and not blocked. Somebody who got the
-- user id after `asked_at` is somebody else.
local function person_stands(person, asked_at)
  local known = redis.call('HMGET', person, 'user', 'blocked', 'since')
  if not known[1] or known[2] then return false end
  return not asked_at or not known[3] or tonumber(known[3]) <= tonumber(asked_at)
end

-- A consent has been decided: who holds a poll of it hears, and a client that is called back is
-- owed a call, which a sweeper may claim when it is due. P is the partition.
local function decided(P, consent_id, due)
  redis.call('PUBLISH', 'nod:decided', consent_id)
  if redis.call('HEXISTS', P .. ':consent:' .. consent_id, 'mode') == 0 then return false end
  redis.call('ZADD', P .. ':calls', due, consent_id)
  return true
end

-- The one redemption of an approval and, where it is refreshable, the grant of its refresh token.
local function redeem(P, consent_id, state, now)
  local consent = P .. ':consent:' .. consent_id
  redis.call('HSET', consent, 'state', state, 'redeemed_at', now)
  local c = redis.call('HMGET', consent, 'refresh', 'client', 'person', 'decided_at')
  if not c[1] then return end
  local life, idle = string.match(c[1], '^(%d+) (%d+)$')
  local story = redis.call('GET', P .. ':story:' .. consent_id)
  local grant = P .. ':grant:' .. consent_id
  redis.call('HSET', grant, 'client', c[2], 'person', c[3], 'auth_time_ms', c[4],
    'request', string.match(story, '^[^\n]*'), 'generation', 0, 'cnf', '',
    'expires_at', now + life, 'idle_ms', idle)
  redis.call('PEXPIREAT', grant, now + math.min(tonumber(life), tonumber(idle)))
end

-- Nobody can answer for a person any more: what is open ends now. P is the partition.
local function end_open(P, person_id, from, to)
  local open, now = P .. ':open:' .. person_id, now_ms()
  for _, consent_id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
    local consent = P .. ':consent:' .. consent_id
    local c = redis.call('HMGET', consent, 'state', 'expires_at')
    if c[1] == from and now < tonumber(c[2]) then  -- what has expired stays so
      redis.call('HSET', consent, 'state', to)
      decided(P, consent_id, now)
    end
    redis.call('ZREM', P .. ':opened', consent_id)
    redis.call('ZREM', P .. ':outbox', consent_id)
  end
  redis.call('DEL', open)
end

-- A push address has one owner among the devices of a person. `name` is its kind and value, which
-- end every stored address.
local function take_address(addresses, device_id, address, name)
  local all = redis.call('HGETALL', addresses)
  for i = 1, #all, 2 do
    if string.sub(all[i + 1], -#name) == name then redis.call('HDEL', addresses, all[i]) end
  end
  redis.call('HSET', addresses, device_id, address)
end
