-- What became of one attempt: facts, dead addresses, and what is owed now.
--
-- A device that was told, or can never be, is not tried again for this consent; one that could
-- not be told yet is owed until the deadline. When none was told and none is left, the consent
-- ends now instead of waiting for its deadline, unless a phone has fetched it by itself. A request
-- that may use another channel comes due for it: at once when nobody can be told by those it has
-- reached, else when nobody has looked at it for a while.
--
-- KEYS  1 consent  2 outbox  3 opened of the partition  4 stats
--       5 the prefix 'P:addresses:'  6 the prefix 'P:open:'  7 story of the consent
-- ARGV  1 consent_id  2 attempt  3 ms until the next one  4 state that gives up
--       5 state it becomes  6 ms until the next channel, then for each device:
--       device_id, outcome ('delivered' | 'unregistered' | 'retry' | 'rejected' | 'no_provider'),
--       the address (JSON) that was used, provider, fact (JSON)
-- Reply 'superseded' | 'over' | 'told' | 'retrying' | 'widening' | 'out_of_time' | 'unreachable'

local c = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'expires_at', 'person',
  'handed_over_at', 'created_at', 'fetched_at', 'reported', 'asks', 'client', 'channels', 'reached')
if not c[1] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 'over'
end
local verdict = c[8] and string.match(c[8], '^' .. ARGV[2] .. ' (.*)')
if verdict then return verdict end  -- the same call, repeated
local now = now_ms()
local P = string.match(KEYS[1], '^nod:{%x+}')
local addresses = KEYS[5] .. c[4]
local told, owed, asks = c[5], false, c[7] or c[9]
for i = 7, #ARGV, 5 do
  local device, outcome = ARGV[i], ARGV[i + 1]
  tell(KEYS[7], now, ARGV[i + 4])
  record(KEYS[1], outcome == 'delivered' and 'gd_send_pn' or 'gd_send_pn_failure', 'consent', ARGV[1],
    'client', c[10], 'person', c[4], 'device', device, 'e', ARGV[i + 4])
  redis.call('HINCRBY', KEYS[4], 'push:' .. ARGV[i + 3] .. ':' .. outcome, 1)
  if outcome == 'delivered' then
    redis.call('HSET', KEYS[1], 'told:' .. device, now)
    if not told then
      told = now
      redis.call('HSET', KEYS[1], 'handed_over_at', now)
      observe(KEYS[4], 'accepted_to_handed_over', now - c[6])
    end
  elseif outcome == 'unregistered' then
    if retire_address(addresses, P .. ':devices:' .. c[4], device, ARGV[i + 2], now) then
      asks = '1'
      redis.call('HSET', KEYS[1], 'asks', asks)
    elseif redis.call('HEXISTS', addresses, device) == 1 then
      owed = true  -- it has another since
    end
  elseif outcome == 'rejected' or outcome == 'no_provider' then
    redis.call('HSET', KEYS[1], 'told:' .. device, 0)
    -- Nobody is there to ask by themselves when a mailbox alone was to be written to.
    if outcome == 'no_provider' and redis.call('EXISTS', P .. ':devices:' .. c[4]) == 1 then
      asks = '1'
      redis.call('HSET', KEYS[1], 'asks', asks)
    end
  else
    owed = true
  end
end

local function ended(word)
  redis.call('HSET', KEYS[1], 'reported', ARGV[2] .. ' ' .. word)
  return word
end

if c[2] ~= ARGV[2] then return ended('superseded') end  -- the lease ran out and another holds it
if c[1] ~= ARGV[4] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return ended('over')
end
local due = owed and now + ARGV[3]
local _, channels = string.gsub(c[11] or 'push', '%a+', '')
if tonumber(c[12] or 1) < channels and not c[7] then
  local widens_at = (owed or told or asks) and math.max(now, c[6] + ARGV[6]) or now
  redis.call('HSET', KEYS[1], 'widens_at', widens_at)
  due = math.min(due or widens_at, widens_at)
end
if due and due < tonumber(c[3]) then
  redis.call('ZADD', KEYS[2], due, ARGV[1])
  return ended(owed and 'retrying' or 'widening')
end
redis.call('ZREM', KEYS[2], ARGV[1])
if owed then return ended('out_of_time') end
if told or asks then return ended('told') end
if now >= tonumber(c[3]) then return ended('out_of_time') end  -- it has expired, and stays so
redis.call('HSET', KEYS[1], 'state', ARGV[5])
record(KEYS[1], 'ciba_unreachable', 'consent', ARGV[1], 'client', c[10], 'person', c[4])
redis.call('ZREM', KEYS[6] .. c[4], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
decided(P, ARGV[1], now)
return ended('unreachable')
