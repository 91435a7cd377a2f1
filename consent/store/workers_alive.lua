-- How many workers gave a sign of life lately.
--
-- KEYS  1 workers
-- ARGV  1 ms that count as lately
-- Reply their number

return redis.call('ZCOUNT', KEYS[1], now_ms() - ARGV[1], '+inf')
