-- A device's verified answer: pending -> approved | denied, once.
--
-- A denial is remembered with its client: it waits before it may ask this person again, longer each
-- time (T1). 'not_me' keeps it away for a while and ends what else it has asked.
--
-- KEYS  1 consent  2 devices of the person, or the mailbox of the consent  3 person  4 open of the person  5 opened  6 outbox
--       7 stats  8 story of the consent  9 refusals of the person  10 receipt of the consent
-- ARGV  1 consent_id  2 person_id  3 device_id  4 thumbprint of the key that signed
--       5 state that is answered  6 state it becomes  7 fact (JSON)
--       8 the state that may follow the one it becomes  9 ms after which a sweeper may call
--       10 of an approval: ms a device that joined others may not approve; of a denial: 'not_me',
--       or ''
--       11 of an approval: what its receipt is made of (JSON); of a denial: ms a client is kept
--       away that was not expected
--       12 of a denial: ms to wait after the second, doubled by each further  13 ms at most
--       14 ms after which denials are forgotten
--       15 of an approval: the request (JSON) as it was approved, or '' where that is as it was asked
-- Reply {'answered'} | {'call'}: and the client is to be called back | {'repeated'}
--       | {'conflict'} | {'expired'} | {'unknown'} | {'unknown_device'} | {'blocked'}
--       | {'cooling_off'}

local device = redis.call('HGET', KEYS[2], ARGV[3])
if not device or string.sub(device, 1, 43) ~= ARGV[4] then return {'unknown_device'} end
local c = redis.call('HMGET', KEYS[1], 'state', 'person', 'expires_at', 'fetched_at',
  'created_at', 'client')
if not c[1] or c[2] ~= ARGV[2] then return {'unknown'} end
local now, P, is_denial = now_ms(), string.match(KEYS[1], '^nod:{%x+}'), ARGV[6] == 'denied'
local code = is_denial and (ARGV[10] == 'not_me' and 'gd_auth_not_me' or 'gd_auth_rejected')
  or 'gd_auth_succeed'

local function refuse_client()
  if ARGV[10] == 'not_me' then redis.call('HINCRBY', KEYS[7], 'not_me', 1) end
  refuse(KEYS[9], c[6], now, ARGV[10], ARGV[11], ARGV[12], ARGV[13], ARGV[14])
end

local function tell_all()
  tell(KEYS[8], now, ARGV[7])
  record(KEYS[1], code, 'consent', ARGV[1],
    'client', c[6], 'person', ARGV[2], 'device', ARGV[3], 'e', ARGV[7])
end

local function end_others_of_client()
  for _, consent_id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    if redis.call('HGET', P .. ':consent:' .. consent_id, 'client') == c[6] then
      end_one(P, consent_id, ARGV[5], ARGV[6], code, ARGV[7])
    end
  end
end

if c[1] == ARGV[6] or c[1] == ARGV[8] then
  local known = redis.call('HGET', KEYS[9], c[6]) or ''
  if ARGV[10] == 'not_me' and not string.find(known, 'not_me', 1, true) then
    -- Another device has said no; that nobody expected this client is news all the same.
    refuse_client()
    tell_all()
    end_others_of_client()
  end
  return {'repeated'}
end
if c[1] ~= ARGV[5] then return {'conflict'} end
if now >= tonumber(c[3]) then return {'expired'} end
if not person_stands(KEYS[3], c[5]) then return {'blocked'} end

-- Whoever got hold of a ticket must not approve at once what the first device could deny (T35).
local function is_cooling_off()
  local enrolled_at, first = cjson.decode(string.sub(device, 44)).enrolled_at_ms, true
  if now >= enrolled_at + ARGV[10] then return false end
  for _, other in ipairs(redis.call('HVALS', KEYS[2])) do
    if cjson.decode(string.sub(other, 44)).enrolled_at_ms < enrolled_at then first = false end
  end
  return not first
end

if not is_denial and ARGV[10] ~= '0' and is_cooling_off() then return {'cooling_off'} end

if is_denial then
  refuse_client()
else
  redis.call('HDEL', KEYS[9], c[6])  -- who is approved of need not wait any more
  redis.call('SET', KEYS[10], ARGV[11], 'PX', math.max(1, redis.call('PTTL', KEYS[1])))
end
redis.call('HSET', KEYS[1], 'state', ARGV[6], 'decided_at', now, 'decided_by', ARGV[3])
if not is_denial and ARGV[15] ~= '' then
  local told = redis.call('GET', KEYS[8])
  redis.call('SET', KEYS[8], ARGV[15] .. (string.match(told, '\n.*') or ''), 'KEEPTTL')
end
tell_all()
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
if c[4] then observe(KEYS[7], 'fetched_to_decided', now - c[4]) end
local call = decided(P, ARGV[1], now + ARGV[9])
if ARGV[10] == 'not_me' then end_others_of_client() end
return {call and 'call' or 'answered'}
