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

-- A line in the audit trail, beside the change it is about: into the stream of the slot that `key`
-- is of. The fields are those of the stream in `consent/store/__init__.py`.
local function record(key, code, ...)
  local events = string.match(key, '^nod:{%w+}') .. ':events'
  redis.call('XADD', events, '*', 't', code, ...)
end

-- What a call has done is remembered for longer than it may be sent again: others may have changed
-- the same since, and nothing in it says any more that it was done.
local function memory(key, operation)
  return string.match(key, '^nod:{%w+}') .. ':done:' .. operation
end

local function was_done(key, operation) return redis.call('EXISTS', memory(key, operation)) == 1 end

local function done(key, operation) redis.call('SET', memory(key, operation), '', 'PX', 10000) end

-- Whether a person may be asked and answered for: known, and not blocked. Somebody who got the
-- user id after `asked_at` is somebody else.
local function person_stands(person, asked_at)
  local known = redis.call('HMGET', person, 'user', 'blocked', 'since')
  if not known[1] or known[2] then return false end
  return not asked_at or not known[3] or tonumber(known[3]) <= tonumber(asked_at)
end

-- Whether what answered is still the person's: a device of theirs, or what was opened from the mail
-- of this consent, which nothing takes away. P is the partition.
local function answers_for(P, person_id, consent_id, device_id)
  return redis.call('HEXISTS', P .. ':devices:' .. person_id, device_id) == 1
    or redis.call('HEXISTS', P .. ':mailbox:' .. consent_id, device_id) == 1
end

-- The e-mail address of a user (JSON) that is known to be theirs, or nil.
local function verified_email(user)
  local known = cjson.decode(user)
  if known.email_verified == true and type(known.email) == 'string' then return known.email end
end

-- What a person is asked has changed, or who may know: their streams look again.
local function stir(person_id) redis.call('PUBLISH', 'nod:person:' .. person_id, '') end

-- A consent has been decided: who holds a poll of it hears, and who streams what its person is
-- asked; a client that is called back is owed a call, which a sweeper may claim when it is due. P is
-- the partition.
local function decided(P, consent_id, due)
  local c = redis.call('HMGET', P .. ':consent:' .. consent_id, 'person', 'mode')
  redis.call('PUBLISH', 'nod:decided', consent_id)
  stir(c[1])
  if not c[2] then return false end
  redis.call('ZADD', P .. ':calls', due, consent_id)
  return true
end

-- The one redemption of an approval and, where it is refreshable, the grant of its refresh token.
local function redeem(P, consent_id, state, now)
  local consent = P .. ':consent:' .. consent_id
  redis.call('HSET', consent, 'state', state, 'redeemed_at', now)
  local c = redis.call('HMGET', consent, 'refresh', 'client', 'person', 'decided_at')
  record(P, 'ciba_exchange_succeeded', 'consent', consent_id, 'client', c[2], 'person', c[3])
  if not c[1] then return end
  local life, idle = string.match(c[1], '^(%d+) (%d+)$')
  local story = redis.call('GET', P .. ':story:' .. consent_id)
  local grant = P .. ':grant:' .. consent_id
  redis.call('HSET', grant, 'client', c[2], 'person', c[3], 'auth_time_ms', c[4],
    'request', string.match(story, '^[^\n]*'), 'generation', 0, 'cnf', '',
    'expires_at', now + life, 'idle_ms', idle)
  redis.call('PEXPIREAT', grant, now + math.min(tonumber(life), tonumber(idle)))
end

-- What nobody has answered ends now; what has expired stays so. P is the partition. Says whether it
-- ended, and whether its client is to be called.
local function end_one(P, consent_id, from, to, code, e)
  local consent, now = P .. ':consent:' .. consent_id, now_ms()
  local c = redis.call('HMGET', consent, 'state', 'expires_at', 'person', 'client')
  redis.call('ZREM', P .. ':opened', consent_id)
  redis.call('ZREM', P .. ':outbox', consent_id)
  if c[1] ~= from then return false, false end
  redis.call('ZREM', P .. ':open:' .. c[3], consent_id)
  if now >= tonumber(c[2]) then return false, false end
  redis.call('HSET', consent, 'state', to)
  record(P, code, 'consent', consent_id, 'client', c[4], 'person', c[3], 'e', e)
  return true, decided(P, consent_id, now)
end

-- A client is refused by a person: "<ms it is over> <denials> <why>" beside its id (T1). The first
-- denial costs nothing, for what was wrong may be put right and asked again.
local function refuse(refusals, client, now, why, not_me_ms, step_ms, most_ms, forgotten_ms)
  local all, denials = redis.call('HGETALL', refusals), 1
  for i = 1, #all, 2 do
    local over_at, count = string.match(all[i + 1], '^(%d+) (%d+) ')
    if now > over_at + forgotten_ms then
      redis.call('HDEL', refusals, all[i])
    elseif all[i] == client then
      denials = count + 1
    end
  end
  local wait_ms = denials > 1 and math.min(step_ms * 2 ^ math.min(denials - 2, 30), most_ms) or 0
  if why == 'not_me' then wait_ms = tonumber(not_me_ms) else why = 'denied_before' end
  redis.call('HSET', refusals, client, string.format('%d %d %s', now + wait_ms, denials, why))
  local kept_ms = wait_ms + forgotten_ms
  if redis.call('PTTL', refusals) < kept_ms then redis.call('PEXPIRE', refusals, kept_ms) end
end

-- Nobody can answer for a person any more: what is open ends now. P is the partition.
local function end_open(P, person_id, from, to)
  local open = P .. ':open:' .. person_id
  for _, consent_id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
    end_one(P, consent_id, from, to, 'ciba_unreachable', '{}')
  end
  redis.call('DEL', open)
end

-- A push address has one owner among the devices of a person. `name` is its kind and value, which
-- end every stored address. Says how many others had it.
local function take_address(addresses, device_id, address, name)
  local all, taken = redis.call('HGETALL', addresses), 0
  for i = 1, #all, 2 do
    if all[i] ~= device_id and string.sub(all[i + 1], -#name) == name then
      taken = taken + redis.call('HDEL', addresses, all[i])
    end
  end
  redis.call('HSET', addresses, device_id, address)
  return taken
end

-- An address is dead, if it is still the device's. The page of a browser asks by itself then, which
-- this says.
local function retire_address(addresses, devices, device_id, address, now)
  if redis.call('HGET', addresses, device_id) ~= address then return false end
  local key = redis.call('HGET', devices, device_id)
  if key and string.match(address, '^%d+ %["webpush"') then
    redis.call('HSET', addresses, device_id, now .. ' ["pull","' .. string.sub(key, 1, 43) .. '"]')
    return true
  end
  redis.call('HDEL', addresses, device_id)
  return false
end

-- What administrators find a person by, and nothing that was so before. `terms` are
-- "<field>\t<value>", each followed by a newline.
local function find_by(index, person, person_id, terms)
  for term in string.gmatch(redis.call('HGET', person, 'terms') or '', '([^\n]+)\n') do
    redis.call('ZREM', index, term .. '\t' .. person_id)
  end
  for term in string.gmatch(terms, '([^\n]+)\n') do
    redis.call('ZADD', index, 0, term .. '\t' .. person_id)
  end
  redis.call('HSET', person, 'terms', terms)
end

-- Enter a record of the directory in its indexes, and leave those it was in before. Each name is
-- followed by a newline; the empty one is of the index of all.
local function file(hash, id, former, names)
  for name in string.gmatch(former, '([^\n]*)\n') do redis.call('ZREM', hash .. ':ids:' .. name, id) end
  for name in string.gmatch(names, '([^\n]*)\n') do redis.call('ZADD', hash .. ':ids:' .. name, 0, id) end
end
