-- What became of one call to a client: a fact, and what is owed now.
--
-- KEYS  1 consent  2 calls  3 callback of the consent  4 stats  5 story of the consent
-- ARGV  1 consent_id  2 attempt  3 'delivered' | 'refused' | 'retry'  4 ms until the next one
--       5 ms after the answer in which tokens may be pushed  6 fact (JSON)
-- Reply 'superseded' | 'over' | 'delivered' | 'refused' | 'retrying' | 'given_up'

local c = redis.call('HMGET', KEYS[1], 'mode', 'calls', 'expires_at', 'decided_at',
  'call_reported', 'client', 'person')
if not c[1] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[3])
  return 'over'
end
local verdict = c[5] and string.match(c[5], '^' .. ARGV[2] .. ' (.*)')
if verdict then return verdict end  -- the same call, repeated
local now = now_ms()
tell(KEYS[5], now, ARGV[6])
record(KEYS[1], 'ciba_' .. c[1] .. (ARGV[3] == 'delivered' and '' or '_failure'),
  'consent', ARGV[1], 'client', c[6], 'person', c[7], 'e', ARGV[6])
redis.call('HINCRBY', KEYS[4], 'call:' .. c[1] .. ':' .. ARGV[3], 1)

local function ended(word)
  redis.call('HSET', KEYS[1], 'call_reported', ARGV[2] .. ' ' .. word)
  return word
end

local function settled(word)
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[3])
  return ended(word)
end

if c[2] ~= ARGV[2] then return ended('superseded') end  -- the lease ran out and another holds it
if ARGV[3] == 'delivered' then
  if c[1] == 'push' then redis.call('HSETNX', KEYS[1], 'delivered_at', now) end
  return settled('delivered')
end
if ARGV[3] == 'refused' then return settled('refused') end
local last = tonumber(c[3])
if c[1] == 'push' then last = math.max(last, (c[4] or 0) + ARGV[5]) end
if now + ARGV[4] >= last then return settled('given_up') end
if redis.call('EXISTS', KEYS[3]) == 0 then return ended('over') end  -- it has asked meanwhile
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
return ended('retrying')
