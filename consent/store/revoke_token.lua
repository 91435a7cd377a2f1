-- Revoke one access token for the rest of its life.
--
-- KEYS  1 mark that revokes the token
-- ARGV  1 ms it still lives  2 client_id it was issued to
-- Reply 1

if redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) then
  record(KEYS[1], 'srat', 'client', ARGV[2])
end
return 1
