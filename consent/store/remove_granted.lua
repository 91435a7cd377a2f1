-- Remove a client or a resource server with every grant that names it, and tell every process
-- that keeps copies. A grant left behind would come to life with the next of that name.
--
-- KEYS  1 hash of the record  2 client grants
-- ARGV  1 id  2 the member of a grant (JSON, as it is stored) that names it  3 channel
-- Reply ids of the grants that were removed

redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[3], KEYS[1] .. ' ' .. ARGV[1])
local removed = {}
local grants = redis.call('HGETALL', KEYS[2])
for i = 1, #grants, 2 do
  -- Quotes inside a JSON text are escaped, so the member is found nowhere but as a member.
  if string.find(grants[i + 1], ARGV[2], 1, true) then
    redis.call('HDEL', KEYS[2], grants[i])
    redis.call('PUBLISH', ARGV[3], KEYS[2] .. ' ' .. grants[i])
    table.insert(removed, grants[i])
  end
end
return removed
