-- What the outbox of a partition owes by now: pushes to phones, calls to clients, and notices
-- of devices that were added.
--
-- KEYS  1 outbox  2 calls  3 notices
-- ARGV  1 how many of each at most
-- Reply {consent ids, consent ids, device ids}, the longest owed first

local now = now_ms()
return {
  redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1]),
  redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1]),
  redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, ARGV[1]),
}
