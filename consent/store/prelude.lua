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

-- Whether a person may be asked and answered for: known, and not blocked.
local function person_stands(person)
  local known = redis.call('HMGET', person, 'user', 'blocked')
  return known[1] and not known[2]
end

-- Nobody can answer for a person any more: what is open ends now. P is the partition.
local function end_open(P, person_id, from, to)
  local open = P .. ':open:' .. person_id
  for _, consent_id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
    local consent = P .. ':consent:' .. consent_id
    if redis.call('HGET', consent, 'state') == from then
      redis.call('HSET', consent, 'state', to)
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
