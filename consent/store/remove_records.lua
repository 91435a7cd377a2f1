-- Remove records of the directory and tell every process that keeps copies.
--
-- KEYS  the hashes, one for each id
-- ARGV  1 channel, then the ids
-- Reply how many there were

local removed = 0
for i, hash in ipairs(KEYS) do
  removed = removed + redis.call('HDEL', hash, ARGV[i + 1])
  redis.call('PUBLISH', ARGV[1], hash .. ' ' .. ARGV[i + 1])
end
return removed
