-- A page of the records of a hash, in the order of their ids.
--
-- KEYS  1 hash  2 index
-- ARGV  1 'from' a rank, or 'after' an id  2 that  3 how many at most
-- Reply {how many there are in all, record, ...}

local ids
if ARGV[1] == 'after' then
  ids = redis.call('ZRANGEBYLEX', KEYS[2], '(' .. ARGV[2], '+', 'LIMIT', 0, ARGV[3])
else
  ids = redis.call('ZRANGE', KEYS[2], ARGV[2], ARGV[2] + ARGV[3] - 1)
end
local page = {redis.call('ZCARD', KEYS[2])}
if #ids > 0 then
  for _, stored in ipairs(redis.call('HMGET', KEYS[1], unpack(ids))) do table.insert(page, stored) end
end
return page
