-- A worker's sign of life.
--
-- KEYS  1 workers
-- ARGV  1 worker
-- Reply 1

redis.call('ZADD', KEYS[1], now_ms(), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms() - 3600000)
return 1
