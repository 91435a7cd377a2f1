-- What the outbox of a partition owes by now.
--
-- KEYS  1 outbox
-- ARGV  1 how many at most
-- Reply consent ids, the longest owed first

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
