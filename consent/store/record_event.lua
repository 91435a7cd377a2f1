-- An event that changes nothing else, once.
--
-- KEYS  1 events
-- ARGV  1 code  2 client_id  3 who did it, and how (JSON)  4 operation id
-- Reply 1

if was_done(KEYS[1], ARGV[4]) then return 1 end  -- the same call, repeated
record(KEYS[1], ARGV[1], 'client', ARGV[2], 'e', ARGV[3])
done(KEYS[1], ARGV[4])
return 1
